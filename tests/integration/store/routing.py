"""Where a router sends an operation on a sharded collection: what it reads out of the filter. Pure.

Read for MongoDB 6.0 and 7.0, the strictest that we run on: later versions also carry out what is
`REFUSED` here, in two phases over all shards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Document = Mapping[str, Any]

OF_ONE_DOCUMENT = 1
"""A delete's `limit`, where it is not 0."""


class Reach(StrEnum):
    """Which values of the shard key a filter can match."""

    ONE = "one"
    SOME = "some"
    ANY = "any"


class Route(StrEnum):
    """What the router does."""

    NAMED = "named"
    """It asks the shards of the values that the filter names, as a rule one."""
    ALL = "all"
    """It asks every shard."""
    REFUSED = "refused"
    """It answers with an error: which document is meant cannot be decided shard by shard."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation as the product sent it."""

    collection: str
    verb: str
    """`find`, `aggregate`, `update one`, `update many`, `upsert`, `delete one`, `delete many` or
    `find and modify`."""
    query: Document

    @property
    def shape(self) -> str:
        """Collection, verb and the fields of the filter: how a table of meant scatters names it."""
        return f"{self.collection}: {self.verb} by {' '.join(sorted(set(_fields(self.query))))}"

    def route(self, key: str) -> Route:
        """Where it goes in a cluster in which its collection is sharded by `key`."""
        reach = reach_of(self.query, key)
        if self.verb in {"upsert", "find and modify"}:
            return Route.NAMED if reach is Reach.ONE else Route.REFUSED
        if reach is Reach.ONE:
            return Route.NAMED
        if self.verb in {"update one", "delete one"}:
            return Route.ALL if reach_of(self.query, "_id") is Reach.ONE else Route.REFUSED
        return Route.NAMED if reach is Reach.SOME else Route.ALL


def asked(entry: Document) -> Asked | None:
    """What a profiler's entry says was asked; None for inserts, cursors' next batches and streams.

    Inserts carry their key, so they are always named. Raises `ValueError` for what it cannot read.
    """
    collection = entry["ns"].split(".", 1)[1]
    command = entry.get("command", {})
    if entry["op"] in {"insert", "getmore"} or collection.startswith("$cmd"):
        return None
    if "$truncated" in command:
        raise ValueError(f"the profiler cut an operation on {collection}: send it less at once")
    if entry["op"] == "update":
        many = "update many" if command["multi"] else "update one"
        return Asked(collection, "upsert" if command.get("upsert") else many, command["q"])
    if entry["op"] == "remove":
        one = command["limit"] == OF_ONE_DOCUMENT
        return Asked(collection, "delete one" if one else "delete many", command["q"])
    verb, query = _of_command(command)
    return Asked(collection, verb, query)


def _of_command(command: Document) -> tuple[str, Document]:
    if "find" in command:
        return "find", command.get("filter", {})
    if "findAndModify" in command:
        return "find and modify", command["query"]
    if "aggregate" in command:
        stages: list[Document] = [*command["pipeline"], {}]
        return "aggregate", stages[0].get("$match", {})
    raise ValueError(f"an operation that this reading does not know: {sorted(command)[:4]}")


def reach_of(query: Document, key: str) -> Reach:
    """Which values of `key` the documents have that this filter can match."""
    reaches = [_of_value(query[key])] if key in query else []
    reaches += [reach_of(part, key) for part in query.get("$and", ())]
    if branches := query.get("$or"):
        reaches.append(_of_any(branches, key))
    return next((reach for reach in Reach if reach in reaches), Reach.ANY)


def _of_any(branches: Sequence[Document], key: str) -> Reach:
    reaches = {reach_of(branch, key) for branch in branches}
    if Reach.ANY in reaches:
        return Reach.ANY
    return Reach.ONE if len(branches) == 1 and reaches == {Reach.ONE} else Reach.SOME


def _of_value(value: object) -> Reach:
    if not isinstance(value, Mapping) or "$eq" in value:
        return Reach.ONE
    if "$in" in value:
        return Reach.ONE if len(set(value["$in"])) == 1 else Reach.SOME
    return Reach.ANY


def _fields(query: Document) -> list[str]:
    found: list[str] = []
    for name, value in query.items():
        if name in {"$and", "$or"}:
            found += [field for part in value for field in _fields(part)]
        else:
            found.append(name)
    return found
