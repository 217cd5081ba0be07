"""Where Redis is, and how patient each kind of client is with it."""

import pytest
from bullmq.worker import default_maximum_block_timeout

from manyline.base.errors import SettingsError
from manyline.infra.redis import (
    LONGEST_BLOCK_SECONDS,
    RedisServer,
    open_patient_redis,
    open_quick_redis,
)
from manyline.settings import load_settings

SERVER = RedisServer(host="127.0.0.1", port=1, password="hush")


def test_the_address_comes_from_the_settings() -> None:
    settings = load_settings(
        _env_file=None, redis_host="redis", redis_port=6380, redis_password="hush"
    )

    server = RedisServer.from_settings(settings)

    assert (server.host, server.port, server.password) == ("redis", 6380, "hush")
    assert "hush" not in repr(server)


def test_without_a_host_the_error_says_what_to_do() -> None:
    settings = load_settings(_env_file=None, redis_host=None)

    with pytest.raises(SettingsError, match="manyline up"):
        RedisServer.from_settings(settings)


def test_a_patient_read_outlasts_every_block_that_bullmq_asks_for() -> None:
    options = open_patient_redis(SERVER).connection_pool.connection_kwargs

    assert default_maximum_block_timeout <= LONGEST_BLOCK_SECONDS
    assert options["socket_timeout"] >= 2 * LONGEST_BLOCK_SECONDS


def test_a_quick_client_tries_once_for_a_second() -> None:
    options = open_quick_redis(SERVER).connection_pool.connection_kwargs

    assert options["retry"].get_retries() == 0
    assert options["socket_timeout"] <= 1
    assert options["socket_connect_timeout"] <= 1
