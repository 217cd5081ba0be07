"""What the doctor makes of what servers say, where no server of a test says it."""

from datetime import timedelta

import pytest

from manyline.entry.cli.doctor.findings import State
from manyline.entry.cli.doctor.mongodb import clock, replica_set
from manyline.entry.cli.doctor.redis import read_info


@pytest.mark.parametrize(
    ("offset", "state", "says"),
    [
        (timedelta(milliseconds=3), State.OK, "0.003 s behind MongoDB's"),
        (timedelta(milliseconds=-1999), State.OK, "1.999 s ahead of MongoDB's"),
        (timedelta(minutes=10), State.WARNING, "600.000 s behind MongoDB's"),
        (timedelta(minutes=-10), State.WARNING, "600.000 s ahead of MongoDB's"),
    ],
)
def test_clocks(offset: timedelta, state: State, says: str) -> None:
    found = clock(offset)
    assert found.state is state
    assert says in found.detail


@pytest.mark.parametrize(
    ("hello", "state", "says"),
    [
        ({"setName": "rs", "isWritablePrimary": True, "hosts": ["a"]}, State.OK, "rs, 1 member"),
        ({"setName": "rs", "isWritablePrimary": True, "hosts": [1, 2, 3]}, State.OK, "3 members"),
        ({"msg": "isdbgrid", "isWritablePrimary": True}, State.OK, "sharded"),
        ({"isWritablePrimary": True}, State.BROKEN, "runs alone"),
        ({"setName": "rs", "me": "b:1"}, State.BROKEN, "b:1 is not the primary"),
    ],
)
def test_replica_sets(hello: dict[str, object], state: State, says: str) -> None:
    found = replica_set(hello)
    assert found.state is state
    assert says in found.detail


def test_a_managed_redis_that_says_little_is_not_called_fine() -> None:
    assert [one.state for one in read_info({})] == [State.BROKEN, State.WARNING, State.OK]


def test_an_append_only_file_that_cannot_be_written_is_broken() -> None:
    info = {"maxmemory_policy": "noeviction", "aof_enabled": 1, "aof_last_write_status": "err"}
    assert [one.state for one in read_info(info)] == [State.OK, State.BROKEN, State.OK]
