"""Settings: what is wrong is said in one line, with the name and the fix, and without the value."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from manyline.base.errors import SettingsError
from manyline.runtime.shared import app_secret_of
from manyline.settings import Settings, decode_master_key, load_settings

KEY = "ab" * 32
SECRET = "s3cret-s3cret"
CLOSED = {
    "ENVIRONMENT": "production",
    "APP_SECRET": "app",
    "VERIFY_TOKEN": "verify",
    "MASTER_KEY": KEY,
    "ADMIN_API_KEY": "admin",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in [*Settings.model_fields, "manyline_data_dir"]:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)


def refused(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    told = raised.value.detail
    assert "\n" not in told
    return told


def test_defaults_are_a_closed_development_machine() -> None:
    settings = load_settings()
    assert (settings.environment, settings.host, settings.port) == (
        "development",
        "127.0.0.1",
        3000,
    )
    assert settings.app_secret == ()
    assert settings.mongo_uri is None
    assert settings.redis_host is None
    assert settings.data_dir == Path(".manyline")
    assert not settings.in_production
    assert int(settings.whatsapp_api_version[1:].split(".")[0]) > 20


def test_the_seeds_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "APP_SECRET": "a",
        "VERIFY_TOKEN": "v",
        "MASTER_KEY": KEY,
        "MONGO_URI": "mongodb://mongo:27017/pocdb",
        "REDIS_HOST": "redis",
        "REDIS_PORT": "6380",
        "WHATSAPP_API_VERSION": "v20.0",
        "PORT": "3001",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert [secret.get_secret_value() for secret in settings.app_secret] == ["a"]
    assert (settings.redis_host, settings.redis_port, settings.port) == ("redis", 6380, 3001)
    assert settings.whatsapp_api_version == "v20.0"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "secrets"),
    [("new,old", ["new", "old"]), (" new , old ,", ["new", "old"]), (",", []), (None, [])],
)
def test_an_app_secret_that_is_being_changed_is_two(value: str | None, secrets: list[str]) -> None:
    settings = load_settings(app_secret=value)
    assert [secret.get_secret_value() for secret in settings.app_secret] == secrets
    assert app_secret_of(settings) == (secrets[0] if secrets else None)


def test_a_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=4000\nVERIFY_TOKEN=file\nREDIS_HOST=\nUNKNOWN=1\n")
    monkeypatch.setenv("PORT", "5000")
    settings = load_settings()
    assert settings.port == 5000
    assert settings.verify_token is not None
    assert settings.verify_token.get_secret_value() == "file"
    assert settings.redis_host is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "s3cret-s3cret"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("REDIS_PORT", "0"),
        ("ENVIRONMENT", "s3cret-s3cret"),
        ("MASTER_KEY", "s3cret-s3cret"),
        ("MASTER_KEY", "ab" * 31),
        ("MASTER_KEY", f"{KEY},s3cret-s3cret"),
        ("APP_SECRET", "s3cret-s3cret,s3cret-1,s3cret-2"),
        ("GRAPH_BASE_URL", "s3cret-s3cret"),
        ("GRAPH_BASE_URL", "https://"),
        ("GRAPH_BASE_URL", "https://host?s3cret-s3cret"),
        ("GRAPH_BASE_URL", "https://host/\nx"),
        ("WHATSAPP_API_VERSION", "20.0"),
        ("WHATSAPP_API_VERSION", "v20.0/../x"),
        ("CALL_DEADLINE_SECONDS", "0"),
        ("CALL_DEADLINE_SECONDS", "nan"),
        ("LEASE_SECONDS", "inf"),
        ("MESSAGE_EXPIRY_SECONDS", "-1"),
        ("RELAY_INTERVAL_SECONDS", "0"),
        ("WORKER_IN_FLIGHT", "0"),
        ("LOG_LEVEL", "s3cret-s3cret"),
    ],
)
def test_a_bad_value_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    told = refused(monkeypatch, **{name: value})
    assert told.startswith(name)
    assert SECRET not in told
    assert "validation error" not in told


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, PORT="x", REDIS_PORT="y")
    assert "REDIS_PORT" in told
    assert re.search(r"\bPORT", told)


def test_a_lease_must_outlive_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, LEASE_SECONDS="19", CALL_DEADLINE_SECONDS="15")
    assert "LEASE_SECONDS" in told
    assert "CALL_DEADLINE_SECONDS" in told


@pytest.mark.parametrize("missing", [name for name in CLOSED if name != "ENVIRONMENT"])
def test_production_demands_each_of_its_keys(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    told = refused(monkeypatch, **{name: v for name, v in CLOSED.items() if name != missing})
    assert missing in told
    for name in CLOSED.keys() - {missing, "ENVIRONMENT"}:
        assert name not in told


def test_production_with_all_its_keys_may_listen_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CLOSED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOST", "0.0.0.0")
    assert load_settings().in_production


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.nip.io"]
)
def test_an_open_development_server_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    told = refused(monkeypatch, HOST=host)
    assert "ALLOW_OPEN_BIND" in told
    monkeypatch.setenv("ALLOW_OPEN_BIND", "1")
    assert load_settings().host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_ones_own_machine_is_no_open_bind(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HOST", host)
    assert load_settings().host == host


def test_master_keys_in_hex_or_base64_and_several_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = bytes(range(32))
    encoded = base64.b64encode(raw).decode()
    assert decode_master_key(raw.hex()) == decode_master_key(encoded) == raw
    monkeypatch.setenv("MASTER_KEY", f" {KEY} , {encoded},")
    keys = load_settings().master_key
    assert [key.get_secret_value() for key in keys] == [KEY, encoded]


def test_a_bad_master_key_names_the_command_that_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "secrets.token_hex(32)" in refused(monkeypatch, MASTER_KEY="32_byte_random_string")


def test_settings_are_frozen() -> None:
    settings: Any = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
