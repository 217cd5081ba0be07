"""A store that is not there, or does not let us in, is one clear line."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from manyline.base.clock import StoreClock
from manyline.base.errors import ManylineError, StoreUnavailableError
from manyline.infra.mongo import open_mongo, read_store_clock, wait_for_mongo
from manyline.runtime.api import open_api

# PyMongo 4.20 leaves a socket to the garbage collector when a client is closed while its monitor
# connects; here that is the rule.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def sockets_end_here() -> Iterator[None]:
    yield
    gc.collect()


async def test_a_store_that_never_answers_is_given_up_with_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("manyline.infra.mongo.SELECTION_TIMEOUT_MS", 50)
    mongo = open_mongo("mongodb://127.0.0.1:1/", app_name="test")
    told: list[str] = []
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="MongoDB did not answer within"):
        await wait_for_mongo(mongo, seconds=2.0, progress=told.append)
    await mongo.close()
    assert told
    assert time.monotonic() - started < 4


async def test_a_wrong_password_is_one_clear_line_without_it(
    make_settings: Any, mongo_uri: str
) -> None:
    uri = mongo_uri.replace("mongodb://", "mongodb://somebody:s3cret@")
    settings = make_settings(mongo_uri=uri, store_connect_seconds=0.5)
    with pytest.raises(ManylineError) as raised:
        async with open_api(settings, progress=lambda _: None):
            pytest.fail("it let us in")
    assert "MONGO_URI" in raised.value.detail or "MongoDB" in raised.value.detail
    assert "s3cret" not in raised.value.detail


async def test_the_clock_is_read_from_the_store(mongo: Any) -> None:
    clock = StoreClock()
    await read_store_clock(mongo, clock)
    assert abs(clock.offset.total_seconds()) < 1
