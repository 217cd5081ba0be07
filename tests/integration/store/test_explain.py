"""Every query the product makes uses an index: it runs under MongoDB's profiler, all of it."""

from typing import Any

from tests.integration.store.call_sites import call_sites
from tests.integration.store.profiled import Run
from tests.integration.store.routing import asked

OUR_COLLECTIONS = {
    "tenants",
    "customers",
    "conversations",
    "messages",
    "parked_statuses",
    "account_events",
    "quarantine",
    "webhook_ledger",
    "heartbeats",
    "leases",
}
# Collections with one document per process or role.
TINY = {"heartbeats", "leases"}
CHANGE_STREAM = "$cmd.aggregate"
"""It reads the server's log, which has no index."""

# The newest conversations of one hour: no index holds their order, or every message would write it.
SORTED_IN_MEMORY = {
    "conversations: find by activeHour tenantId",
    "conversations: find by _id activeHour lastMessage.at tenantId",
}


def test_every_call_of_the_driver_is_made(run: Run) -> None:
    """What is never asked here is not seen by the other tests, whatever it costs."""
    assert call_sites() - run.calls == set()
    assert run.calls <= call_sites(), "a collection goes by a name that `call_sites` does not know"


def test_no_collection_scans(run: Run) -> None:
    told = [(_collection(entry), entry) for entry in run.entries]
    assert {name for name, _ in told} >= OUR_COLLECTIONS
    assert {entry["op"] for _, entry in told} >= {"query", "update", "insert", "command", "remove"}
    scans = [
        (name, entry["op"], entry.get("command"))
        for name, entry in told
        if "COLLSCAN" in entry.get("planSummary", "") and name not in {*TINY, CHANGE_STREAM}
    ]
    assert scans == []


def test_only_what_is_bounded_is_sorted_in_memory(run: Run) -> None:
    assert {_shape(entry) for entry in run.entries if entry.get("hasSortStage")} == SORTED_IN_MEMORY


def test_no_query_looks_at_much_more_than_it_answers(run: Run) -> None:
    """What a query looks at without answering it grows with the store."""
    wasteful = {
        _shape(entry)
        for entry in run.entries
        if entry["op"] == "query"
        and entry.get("docsExamined", 0) > 3 * entry.get("nreturned", 0) + 20
    }
    assert wasteful - SORTED_IN_MEMORY == set()


def _collection(entry: dict[str, Any]) -> str:
    return str(entry["ns"].split(".", 1)[1])


def _shape(entry: dict[str, Any]) -> str:
    question = asked(entry)
    return question.shape if question is not None else f"{_collection(entry)}: {entry['op']}"
