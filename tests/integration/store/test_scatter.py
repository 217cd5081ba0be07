"""On a cluster of shards, every question goes to the shards of the tenants that it names.

The exceptions stand below, each with its reason and what bounds it. One that is not there fails the
test, and so does one that no longer occurs. docs/scaling.md says what they cost.
"""

from typing import Any

import pytest

from tests.integration.store.profiled import Run
from tests.integration.store.routing import Asked, Reach, Route, asked, reach_of

TENANT = "tenantId"
SHARD_KEYS: dict[str, str | None] = {
    "customers": TENANT,
    "conversations": TENANT,
    "messages": TENANT,
    "parked_statuses": TENANT,
    "account_events": TENANT,
    # A document holds what came from many tenants at one moment; hashed, or one shard had it all.
    "webhook_ledger": "_id",
    # Small, or of no tenant: they stay on one shard.
    "tenants": None,
    "quarantine": None,
    "heartbeats": None,
    "leases": None,
}

SHARDED_BY_TENANT = {name for name, key in SHARD_KEYS.items() if key == TENANT}
UNIQUE_OVER_ALL_TENANTS = {
    "tenants: phone_number": "a number is one tenant's in the whole fleet: so they lie on one shard"
}

A_JOB = "one per job of up to 50 messages"
A_FLUSH = "one per flush, whatever it holds"
SENDS = "one per flush of sends by API; then it is remembered"
A_ROUND = "one per round of the relay, of which there is one in the whole fleet"
SELDOM = "one per event that is rare by itself"

MEANT = {
    # The way in.
    "conversations: find by _id windowExpiresAt": ("whether a window has closed", SENDS),
    "conversations: update one by _id": ("something was said in it", "one per person and flush"),
    "conversations: find by _id": ("which of those are not there", SELDOM),
    "customers: find by _id mergedInto": ("who of a flush's new people was merged", A_FLUSH),
    "customers: update one by _id": ("a known person was seen", "one per person and flush"),
    "messages: find by _id": ("whose messages a flush's statuses name", A_FLUSH),
    "messages: update many by _id": ("a flush's statuses", "one per 100 messages and status"),
    "messages: update one by _id": ("a wamid that another message has", SELDOM),
    # The way out.
    "messages: find by _id status": ("what a job names and still waits", A_JOB),
    "messages: find by conversationId dueAt": ("the heads of a job's lines", A_JOB),
    "messages: update many by _id behind dueAt status": ("a job's claim", A_JOB),
    "messages: find by _id lease.owner": ("what of a claim was won", A_JOB),
    "messages: update many by _id status": ("settled as sent; parked behind another", A_JOB),
    "messages: update many by _id behind": ("the next in line are due", A_JOB),
    "messages: update one by _id status": ("put off, each until its own time", SELDOM),
    # The relay.
    "messages: aggregate by dueAt status tenantId": ("which tenants have something due", A_ROUND),
    "messages: aggregate by parkedUntil tenantId": ("whose long waits are over", A_ROUND),
    "messages: aggregate by status tenantId troubleAt": ("who has doubts", A_ROUND),
    "customers: find by sweepAt": ("merged customers to look after", A_ROUND),
    "parked_statuses: find by tryAt": ("statuses to try again, at most 500", A_ROUND),
    "parked_statuses: delete many by _id": ("those that found their message", A_ROUND),
    "parked_statuses: update many by _id": ("those that did not", A_ROUND),
    # The operator.
    "webhook_ledger: find by keptAt": ("what is replayed, in its order", "2,000 records a call"),
}


def routed(run: Run) -> dict[Route, set[str]]:
    """The shapes of all questions to sharded collections, by where they go."""
    found: dict[Route, set[str]] = {route: set() for route in Route}
    for question in filter(None, map(asked, run.entries)):
        key = SHARD_KEYS[question.collection]
        if key is not None:
            found[question.route(key)].add(question.shape)
    return found


def test_it_is_known_where_every_collection_goes(run: Run) -> None:
    assert run.indexes.keys() == SHARD_KEYS.keys()


def test_only_what_is_meant_goes_to_every_shard(run: Run) -> None:
    assert routed(run)[Route.ALL] == MEANT.keys()


def test_nothing_would_be_refused(run: Run) -> None:
    """Routers of MongoDB 6.0 and 7.0 refuse an upsert that does not name the whole shard key: which
    shard is to insert?
    """
    assert routed(run)[Route.REFUSED] == set()


def test_most_of_what_a_tenant_asks_goes_to_its_shard(run: Run) -> None:
    """The others would be passed by an exercise that asks nothing."""
    shapes = routed(run)[Route.NAMED]
    assert {shape.partition(":")[0] for shape in shapes} == SHARDED_BY_TENANT
    assert len(shapes) > len(MEANT)


def test_every_document_has_its_shard_key(run: Run) -> None:
    """One without would lie with all others of that kind, wherever its tenant is."""
    assert {name: run.strangers[name] for name in SHARDED_BY_TENANT} == dict.fromkeys(
        SHARDED_BY_TENANT, 0
    )


def test_what_is_unique_stays_unique_on_shards(run: Run) -> None:
    """A unique index has the shard key in front, or each shard would vouch for itself alone."""
    elsewhere = {
        f"{collection}: {index['name']}"
        for collection, indexes in run.indexes.items()
        for index in indexes
        if index.get("unique") and next(iter(index["key"])) != TENANT
    }
    assert elsewhere == UNIQUE_OVER_ALL_TENANTS.keys()
    assert {SHARD_KEYS[name.partition(":")[0]] for name in elsewhere} == {None}


@pytest.mark.parametrize("collection", sorted(SHARDED_BY_TENANT))
def test_there_is_an_index_to_shard_by(run: Run, collection: str) -> None:
    """MongoDB wants one of all documents; one over a list of values does not count."""
    whole = [
        index["name"]
        for index in run.indexes[collection]
        if next(iter(index["key"])) == TENANT
        if "partialFilterExpression" not in index and "identities" not in index["key"]
    ]
    assert whole


@pytest.mark.parametrize(
    ("query", "reach"),
    [
        ({}, Reach.ANY),
        ({"tenantId": 1, "_id": {"$in": [1, 2]}}, Reach.ONE),
        ({"tenantId": {"$eq": 1}}, Reach.ONE),
        ({"tenantId": {"$in": [1, 2]}}, Reach.SOME),
        ({"tenantId": {"$gte": 1}}, Reach.ANY),
        ({"_id": 1}, Reach.ANY),
        ({"$and": [{"a": 1}, {"tenantId": 1}]}, Reach.ONE),
        ({"$or": [{"tenantId": 1}, {"tenantId": 2}]}, Reach.SOME),
        ({"$or": [{"tenantId": 1}, {"_id": 2}]}, Reach.ANY),
        ({"tenantId": 1, "$or": [{"a": 1}, {"b": 2}]}, Reach.ONE),
    ],
)
def test_which_tenants_a_filter_can_match(query: dict[str, Any], reach: Reach) -> None:
    assert reach_of(query, TENANT) is reach


@pytest.mark.parametrize(
    ("verb", "query", "route"),
    [
        ("find", {"tenantId": {"$in": [1, 2]}}, Route.NAMED),
        ("update many", {"_id": {"$in": [1]}}, Route.ALL),
        ("update one", {"_id": 1, "status": "sent"}, Route.ALL),
        ("update one", {"status": "sent"}, Route.REFUSED),
        ("update one", {"_id": 1, "tenantId": 1}, Route.NAMED),
        ("delete one", {"_id": {"$gt": 1}}, Route.REFUSED),
        ("upsert", {"_id": 1}, Route.REFUSED),
        ("upsert", {"_id": 1, "tenantId": 1}, Route.NAMED),
        ("upsert", {"tenantId": {"$in": [1, 2]}}, Route.REFUSED),
        ("find and modify", {"_id": 1}, Route.REFUSED),
        ("find and modify", {"_id": 1, "tenantId": 1}, Route.NAMED),
    ],
)
def test_where_an_operation_goes(verb: str, query: dict[str, Any], route: Route) -> None:
    assert Asked("messages", verb, query).route(TENANT) is route
