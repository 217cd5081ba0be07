"""Every setting of the system: one frozen object, built once by an entry and passed in.

Values come from the environment and then from `.env` in the working directory. Names are the
field names in capitals (`APP_SECRET`, `MONGO_URI`, ...). `.env.example` documents each for the
person who runs the system; this file is where defaults and checks live.
"""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from manyline.base.addresses import has_host, host_and_port, is_loopback, is_plain_host
from manyline.base.errors import SettingsError
from manyline.base.tls import client_context

Seconds = Annotated[float, Field(gt=0, le=30 * 24 * 3600, allow_inf_nan=False)]

MOST_APP_SECRETS = 2
SENTINEL_PORT = 26379
MAKE_MASTER_KEY = "python3 -c 'import secrets; print(secrets.token_hex(32))'"


class Settings(BaseSettings):
    """Frozen; raises `SettingsError` (through `load_settings`) when a value cannot be used."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    environment: Literal["development", "production"] = "development"
    """`production` closes every door: see `_closed_in_production`."""
    host: str = "127.0.0.1"
    """Where the API listens. In development anything but loopback needs ALLOW_OPEN_BIND=1."""
    port: Annotated[int, Field(ge=0, le=65535)] = 3000
    allow_open_bind: bool = False
    data_dir: Path = Field(default=Path(".manyline"), validation_alias="MANYLINE_DATA_DIR")
    """Embedded servers' data, logs, and the development master key."""

    app_secret: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """The Meta app's, when set, every webhook must carry its signature. While it is changed two,
    comma-separated: both are good for webhooks, the first makes the proofs for calls to Graph."""
    verify_token: SecretStr | None = None
    """What Meta repeats in the webhook handshake. Unset, every handshake is refused."""
    master_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Keys that wrap tenants' data keys, comma-separated: the first seals, all of them open."""
    admin_api_key: SecretStr | None = None
    """Bearer key of the operator; when set, every route but health and the webhook needs it."""

    mongo_uri: SecretStr | None = None
    """Unset: `manyline up` starts a private mongod. Without a database name: `pocdb`."""
    redis_host: str | None = None
    """Unset: `manyline up` starts a private Valkey."""
    redis_port: Annotated[int, Field(ge=1, le=65535)] = 6379
    redis_username: str | None = None
    redis_password: SecretStr | None = None
    redis_tls: bool = False
    """Encrypted, with certificate and host name verified; to the Sentinels as well."""
    redis_tls_ca_file: Path | None = None
    """Authorities (PEM) that are believed instead of the system's."""
    redis_sentinels: Annotated[tuple[tuple[str, int], ...], NoDecode] = ()
    """`host:port` of each, comma-separated. Set: they say where Redis is, and not REDIS_HOST."""
    redis_sentinel_master: str | None = None
    """The name under which the Sentinels know the primary."""
    redis_sentinel_username: str | None = None
    redis_sentinel_password: SecretStr | None = None
    """What the Sentinels themselves ask for, if anything."""
    store_connect_seconds: Seconds = 60.0
    """How long a starting process keeps trying to reach MongoDB; it does not wait for Redis."""

    graph_base_url: str = "https://graph.facebook.com"
    graph_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = (
        "graph.facebook.com",
        "127.0.0.1",
        "::1",
        "localhost",
    )
    """Hosts that GRAPH_BASE_URL may name, comma-separated: they see every tenant's token."""
    whatsapp_api_version: Annotated[str, Field(pattern=r"^v\d{1,3}\.\d$")] = "v26.0"

    message_expiry_seconds: Seconds = 24 * 3600.0
    """An unsent message older than this fails instead of being sent late."""
    call_deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    lease_seconds: Seconds = 30.0
    """A claimed message whose worker has not settled it by then is in doubt."""
    in_doubt_wait_seconds: Seconds = 120.0
    """How long a message in doubt waits for a status before a tenant's `resend` policy acts."""
    relay_interval_seconds: Seconds = 5.0
    retry_base_seconds: Seconds = 1.0
    """First wait after a Graph error that asks for backoff; doubles each time, with jitter."""
    worker_in_flight: Annotated[int, Field(ge=1)] = 1000
    """Most calls to Graph that one worker has under way at once, over all numbers."""
    worker_metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None

    webhook_ledger_days: Annotated[int, Field(ge=0, le=366)] = 14
    """How long webhooks are kept as they came, to be applied again; 0 keeps none."""
    quarantine_days: Annotated[int, Field(ge=1, le=3660)] = 90
    """How long an item is kept that could not be understood or stored."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("app_secret", "master_key", mode="before")
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value if value is not None else ()

    @field_validator("app_secret")
    @classmethod
    def _at_most_two(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(value) > MOST_APP_SECRETS:
            raise ValueError(
                "takes at most two secrets separated by a comma, the new one first and the one"
                " before it; whoever knows any of them speaks for Meta"
            )
        return value

    @field_validator("master_key")
    @classmethod
    def _usable_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in value:
            decode_master_key(key.get_secret_value())
        return value

    @field_validator("redis_sentinels", mode="before")
    @classmethod
    def _split_sentinels(cls, value: object) -> object:
        if isinstance(value, str):
            parts = (part for part in value.split(",") if part.strip())
            return tuple(host_and_port(part, default_port=SENTINEL_PORT) for part in parts)
        return value

    @field_validator("redis_tls_ca_file")
    @classmethod
    def _usable_authorities(cls, value: Path | None) -> Path | None:
        if value is not None:
            client_context(value)
        return value

    @field_validator("graph_base_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value) or not has_host(value):
            raise ValueError("must look like https://host or http://host:port")
        return value.rstrip("/")

    @field_validator("graph_allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            parts = (part.strip().lower() for part in value.split(","))
            return tuple(part.removeprefix("[").removesuffix("]") for part in parts if part)
        return value

    @field_validator("graph_allowed_hosts")
    @classmethod
    def _plain_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(is_plain_host(host) for host in value):
            raise ValueError(
                "must be hosts separated by commas, each without scheme, port or path, such as"
                " graph.facebook.com,127.0.0.1"
            )
        return value

    @model_validator(mode="after")
    def _graph_is_where_it_may_be(self) -> Self:
        host = urlsplit(self.graph_base_url).hostname or ""
        if host not in self.graph_allowed_hosts:
            raise ValueError(
                f"GRAPH_BASE_URL names the host {host}, which GRAPH_ALLOWED_HOSTS does not list;"
                " every tenant's token would go there. Correct it, or add the host to"
                " GRAPH_ALLOWED_HOSTS if it may see them"
            )
        if self.graph_base_url.startswith("http://") and not is_loopback(host):
            raise ValueError(
                f"GRAPH_BASE_URL would send tenants' tokens to {host} without encryption; use"
                " https (plain http is for this machine only)"
            )
        return self

    @model_validator(mode="after")
    def _redis_is_described_whole(self) -> Self:
        if wrong := [said for said, is_so in _half_of_redis(self).items() if is_so]:
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _lease_outlives_call(self) -> Self:
        if self.lease_seconds < self.call_deadline_seconds + 5:
            raise ValueError(
                "LEASE_SECONDS must be at least CALL_DEADLINE_SECONDS + 5: a call that is still"
                " under way when its lease ends could be taken for lost"
            )
        return self

    @model_validator(mode="after")
    def _closed_in_production(self) -> Self:
        if self.environment == "production":
            wanted = {
                "APP_SECRET": self.app_secret,
                "VERIFY_TOKEN": self.verify_token,
                "MASTER_KEY": self.master_key,
                "ADMIN_API_KEY": self.admin_api_key,
            }
            missing = [name for name, value in wanted.items() if not value]
            if missing:
                raise ValueError(f"ENVIRONMENT=production needs {', '.join(missing)} to be set")
        elif not self.allow_open_bind and not is_loopback(self.host):
            raise ValueError(
                f"HOST={self.host} would open an unprotected development server to the network;"
                " use ENVIRONMENT=production, or ALLOW_OPEN_BIND=1 if something else guards it"
            )
        return self

    @property
    def names_redis(self) -> bool:
        """Whether a Redis is set, by its own address or by its Sentinels'."""
        return self.redis_host is not None or bool(self.redis_sentinels)

    @property
    def in_production(self) -> bool:
        """Whether doors are closed and `mock_` tokens refused."""
        return self.environment == "production"


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`; raise `SettingsError` with one line per bad setting."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except (UnicodeDecodeError, OSError, UnreadableSettingError) as error:
        raise SettingsError(
            f".env or the environment cannot be read ({type(error).__name__}); .env must be a"
            " readable file of NAME=value lines in UTF-8"
        ) from None


def decode_master_key(text: str) -> bytes:
    """32 bytes from 64 hex digits or base64; `ValueError` names the command that makes one."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ValueError(
            "must be 32 bytes, written as 64 hex digits or as base64; make one with: "
            + MAKE_MASTER_KEY
        )
    return key


def _half_of_redis(settings: Settings) -> dict[str, bool]:
    """What cannot be meant, with what to do about it, and whether it is so."""
    sentinels = bool(settings.redis_sentinels)
    user, password = settings.redis_username, settings.redis_password
    asker, its_password = settings.redis_sentinel_username, settings.redis_sentinel_password
    return {
        "REDIS_HOST and REDIS_SENTINELS are both set, and only one can say where Redis is; take"
        " REDIS_HOST away if Sentinels watch over it": sentinels and bool(settings.redis_host),
        "REDIS_SENTINELS and REDIS_SENTINEL_MASTER are only good together: where the Sentinels"
        " are, and the name that their line `sentinel monitor` gives to the primary": sentinels
        is not bool(settings.redis_sentinel_master),
        "REDIS_SENTINEL_USERNAME or REDIS_SENTINEL_PASSWORD is set, and REDIS_SENTINELS names no"
        " Sentinel to log in to": bool(asker or its_password) and not sentinels,
        "REDIS_SENTINEL_USERNAME is set, and REDIS_SENTINEL_PASSWORD is not; a user logs in with"
        " both": bool(asker) and not its_password,
        "REDIS_USERNAME is set, and REDIS_PASSWORD is not; a user logs in with both": bool(user)
        and not password,
        "REDIS_TLS_CA_FILE is set, and REDIS_TLS is not, so nothing would be encrypted; set"
        " REDIS_TLS=true": settings.redis_tls_ca_file is not None and not settings.redis_tls,
    }


def _explain(error: ValidationError) -> str:
    """One line per problem, never the offending value: it may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name} {message}" if name else message)
    return "; ".join(lines)
