"""Who is asked for the primary, who is believed, and how long that may take."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import RedisError

from manyline.base.tls import client_context
from manyline.infra.redis import RedisServer, open_patient_redis, open_quick_redis
from manyline.infra.sentinel import ANSWER_SECONDS, PrimarySearch, Sentinels
from tests.integration.queue.fleet import (
    LOOPBACK,
    NAME,
    PASSWORD,
    SENTINEL_PASSWORD,
    Authority,
    Process,
    door,
    free_port,
    sentinel,
    silence,
    store,
)

PRIMARY = (LOOPBACK, 10)
FORMER = (LOOPBACK, 11)


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Two that name the primary, and one that was away when it was made one."""
    where = tmp_path_factory.mktemp("sentinels")
    ports = (PRIMARY[1], PRIMARY[1], FORMER[1])
    with ExitStack() as stack:
        yield [stack.enter_context(sentinel(where / str(n), port)) for n, port in enumerate(ports)]


def asking(*ports: int, **changes: object) -> PrimarySearch:
    given = {
        "addresses": tuple((LOOPBACK, port) for port in ports),
        "primary": NAME,
        "password": SENTINEL_PASSWORD,
    }
    return PrimarySearch(Sentinels(**{**given, **changes}))  # type: ignore[arg-type]


async def test_the_majority_is_believed_whoever_is_named_first(sentinels: list[Process]) -> None:
    ports = [one.port for one in sentinels]
    for order in (ports, ports[::-1]):
        search = asking(*order)
        assert await search.ask() == PRIMARY
        assert search.latest == PRIMARY


async def test_of_those_who_are_left_one_is_enough(sentinels: list[Process]) -> None:
    began = time.monotonic()
    assert await asking(free_port(), free_port(), sentinels[0].port).ask() == PRIMARY
    assert time.monotonic() - began < ANSWER_SECONDS


async def test_one_that_hangs_costs_nothing_while_others_agree(sentinels: list[Process]) -> None:
    """A listener that never answers, before two that do; and alone with one that does."""
    with silence() as silent:
        began = time.monotonic()
        assert await asking(silent, sentinels[0].port, sentinels[1].port).ask() == PRIMARY
        assert time.monotonic() - began < ANSWER_SECONDS / 2
        assert await asking(silent, sentinels[0].port).ask() == PRIMARY
        assert time.monotonic() - began < 3 * ANSWER_SECONDS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"password": "wrong"}, "AuthenticationError: 1"),
        ({"password": None}, "AuthenticationError: 1"),
        ({"primary": "another"}, "name not known: 1"),
    ],
)
async def test_who_is_told_nothing_says_why_and_no_password(
    sentinels: list[Process], changes: dict[str, str | None], why: str
) -> None:
    search = asking(sentinels[0].port, free_port(), **changes)
    with pytest.raises(MasterNotFoundError) as refused:
        await search.ask()
    assert why in str(refused.value)
    assert "ConnectionError: 1" in str(refused.value)
    assert "wrong" not in str(refused.value)


async def test_a_user_who_may_ask_only_that(sentinels: list[Process]) -> None:
    rights = ["-@all", "+sentinel|get-master-addr-by-name"]
    sentinels[0].console.execute_command("ACL", "SETUSER", "asker", "on", ">its-word", *rights)
    search = asking(sentinels[0].port, username="asker", password="its-word")
    assert await search.ask() == PRIMARY
    assert "its-word" not in repr(search._sentinels) + str(search._sentinels)


async def test_over_tls(sentinels: list[Process], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    async with door(sentinels[0].port, authority.server_context) as entrance:
        trusted = client_context(authority.file)
        assert await asking(entrance.port, tls=trusted).ask() == PRIMARY
        with pytest.raises(MasterNotFoundError, match="CERTIFICATE_VERIFY_FAILED: 1"):
            await asking(entrance.port, tls=client_context()).ask()


async def test_a_quick_client_gives_up_within_its_second() -> None:
    with silence() as silent:
        addresses = ((LOOPBACK, silent),) * 3
        server = RedisServer(sentinels=Sentinels(addresses=addresses, primary=NAME))
        began = time.monotonic()
        async with open_quick_redis(server) as client:
            with pytest.raises(RedisError, match="no Sentinel names orders"):
                await client.ping()
        assert time.monotonic() - began < 1


async def test_a_client_goes_where_they_say(tmp_path: Path) -> None:
    with (
        store(tmp_path / "store") as primary,
        sentinel(tmp_path / "sentinel", primary.port) as one,
    ):
        addresses = ((LOOPBACK, one.port),)
        asked = Sentinels(addresses=addresses, primary=NAME, password=SENTINEL_PASSWORD)
        server = RedisServer(sentinels=asked, password=PASSWORD)
        async with open_patient_redis(server) as client:
            assert (await client.info("server"))["tcp_port"] == primary.port
            said = f"{server!r} {server} {client!r}"
        assert PASSWORD not in said
        assert SENTINEL_PASSWORD not in said
