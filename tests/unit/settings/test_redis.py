"""Redis in the settings: half a description ends the start, and says which half is missing."""

from pathlib import Path
from typing import Any

import pytest

from manyline.base.errors import SettingsError
from manyline.infra.redis import RedisServer
from manyline.settings import Settings, load_settings
from tests.integration.queue.fleet import Authority

HOST = {"REDIS_HOST": "redis"}
SENTINELS = {"REDIS_SENTINELS": "a,b", "REDIS_SENTINEL_MASTER": "orders"}
SECRET = "s3cret-s3cret"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings from these variables, as a process would have them."""

    def read(**values: str) -> Settings:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return read


def authorities(directory: Path) -> str:
    file = directory / "ca.pem"
    file.write_text("no certificate")
    return str(file)


def test_all_that_can_be_said_of_one_server(load: Any) -> None:
    server = RedisServer.from_settings(
        load(**HOST, REDIS_PORT="6380", REDIS_USERNAME="us", REDIS_PASSWORD=SECRET, REDIS_TLS="1")
    )
    assert (server.host, server.port, server.username) == ("redis", 6380, "us")
    assert server.password == SECRET
    assert server.sentinels is None
    assert server.tls is not None
    assert server.tls.check_hostname
    assert SECRET not in f"{server!r} {server}"


def test_sentinels_have_a_login_of_their_own_and_the_same_encryption(load: Any) -> None:
    login = {"REDIS_SENTINEL_USERNAME": "asker", "REDIS_SENTINEL_PASSWORD": SECRET}
    settings = load(**SENTINELS, **login, REDIS_PASSWORD="0ther", REDIS_TLS="true")
    server = RedisServer.from_settings(settings)
    asked = server.sentinels
    assert asked is not None
    assert (asked.primary, asked.username, asked.password) == ("orders", "asker", SECRET)
    assert asked.tls is server.tls is not None
    assert server.password == "0ther"
    for secret in (SECRET, "0ther"):
        assert secret not in f"{settings!r} {server!r} {server} {asked!r} {asked}"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a:1,b:2", (("a", 1), ("b", 2))),
        (" a , b:2 , c:", (("a", 26379), ("b", 2), ("c", 26379))),
        ("[::1]:7,10.0.0.1", (("::1", 7), ("10.0.0.1", 26379))),
        ("sentinel-0.redis.svc:26380", (("sentinel-0.redis.svc", 26380),)),
    ],
)
def test_where_sentinels_are(load: Any, text: str, addresses: tuple[tuple[str, int], ...]) -> None:
    assert load(**SENTINELS | {"REDIS_SENTINELS": text}).redis_sentinels == addresses


@pytest.mark.parametrize(
    "text",
    ["a:x", "a:0", "a:70000", ":1", "redis://a:1", "a:1/0", f"u:{SECRET}@a:1", "a b", "a?b"],
)
def test_what_is_no_sentinels_address(load: Any, text: str) -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_SENTINELS must be a host, or host:port") as no:
        load(**SENTINELS | {"REDIS_SENTINELS": f"good:1,{text}"})
    assert SECRET not in no.value.detail


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (HOST | SENTINELS, "REDIS_HOST and REDIS_SENTINELS are both set"),
        ({"REDIS_SENTINELS": "a:1"}, "REDIS_SENTINELS and REDIS_SENTINEL_MASTER are only good"),
        ({"REDIS_SENTINEL_MASTER": "m"}, "REDIS_SENTINELS and REDIS_SENTINEL_MASTER are only good"),
        (HOST | {"REDIS_SENTINEL_PASSWORD": SECRET}, "REDIS_SENTINELS names no Sentinel to log in"),
        (SENTINELS | {"REDIS_SENTINEL_USERNAME": SECRET}, "REDIS_SENTINEL_PASSWORD is not"),
        (HOST | {"REDIS_USERNAME": SECRET}, "REDIS_USERNAME is set, and REDIS_PASSWORD is not"),
        (HOST | {"REDIS_TLS": SECRET}, "REDIS_TLS "),
    ],
)
def test_half_of_it_says_which_half_is_missing(
    load: Any, values: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**values)
    assert says in refused.value.detail
    assert SECRET not in refused.value.detail
    assert "\n" not in refused.value.detail


def test_all_halves_are_said_at_once(load: Any) -> None:
    with pytest.raises(SettingsError, match=r"REDIS_HOST and .*; .*REDIS_USERNAME is set"):
        load(**HOST, **SENTINELS, REDIS_USERNAME="u")


def test_authorities_without_tls_would_protect_nothing(load: Any, tmp_path: Path) -> None:
    file = str(Authority(tmp_path / "ca").file)
    with pytest.raises(SettingsError, match="set REDIS_TLS=true"):
        load(**HOST, REDIS_TLS_CA_FILE=file)
    assert load(REDIS_TLS="true").redis_tls_ca_file == Path(file)


def test_a_file_of_authorities_is_read_before_anything_starts(load: Any, tmp_path: Path) -> None:
    for file, says in (
        (str(tmp_path / "none.pem"), "names a file that cannot be read (No such file"),
        (str(tmp_path), "REDIS_TLS_CA_FILE names a file"),
        (authorities(tmp_path), "names a file in which there is no certificate"),
    ):
        with pytest.raises(SettingsError) as refused:
            load(**HOST, REDIS_TLS="true", REDIS_TLS_CA_FILE=file)
        assert says in refused.value.detail


def test_one_that_is_gone_by_the_time_it_is_needed(load: Any, tmp_path: Path) -> None:
    settings = load(**HOST, REDIS_TLS="true").model_copy(
        update={"redis_tls_ca_file": tmp_path / "none.pem"}
    )
    with pytest.raises(SettingsError, match=r"^REDIS_TLS_CA_FILE names a file that cannot be read"):
        RedisServer.from_settings(settings)


def test_nothing_is_set_where_compose_files_say_so(load: Any) -> None:
    names = ("REDIS_USERNAME", "REDIS_TLS_CA_FILE", "REDIS_SENTINELS", "REDIS_SENTINEL_MASTER")
    settings = load(**HOST, **dict.fromkeys(names, ""), REDIS_TLS="false")
    server = RedisServer.from_settings(settings)
    assert (server.username, server.tls, server.sentinels) == (None, None, None)
    assert settings.names_redis
    assert str(server) == "redis:6379"
