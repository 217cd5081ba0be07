"""Checks of MongoDB: it answers, it is a replica set, and our clocks agree."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from manyline.base.errors import ManylineError
from manyline.entry.cli.doctor.findings import Finding, broken, ok, warning
from manyline.infra.mongo import Document, Mongo, ping, store_errors

MONGODB = "MongoDB"
REPLICA_SET = "replica set"
CLOCK = "clock"
# Far more than a time service leaves, and enough to puzzle whoever reads two logs side by side.
CLOCK_MAY_DIFFER = timedelta(seconds=2)


async def check_mongodb(mongo: Mongo) -> AsyncIterator[Finding]:
    """Ends early when it does not answer: then nothing more can be said of it."""
    try:
        await ping(mongo)
        with store_errors():
            version = (await mongo.database.command("buildInfo"))["version"]
            asked_at = datetime.now(UTC)
            hello = await mongo.database.command("hello")
            answered_at = datetime.now(UTC)
    except ManylineError as error:
        yield broken(
            MONGODB,
            error.detail,
            "start it, or correct MONGO_URI; with replicaSet=… in it, the set must be initiated,"
            " and its members' names must be reachable from here",
        )
        return
    yield ok(MONGODB, f"version {version}, database {mongo.database.name}")
    yield replica_set(hello)
    store_time = hello["localTime"].replace(tzinfo=UTC)
    yield clock(store_time - asked_at - (answered_at - asked_at) / 2)


def replica_set(hello: Document) -> Finding:
    """From the answer to `hello`; mongos fronts replica sets by itself."""
    if hello.get("msg") == "isdbgrid":
        return ok(REPLICA_SET, "a sharded cluster")
    if "setName" not in hello:
        return broken(
            REPLICA_SET,
            "MongoDB runs alone: majority writes mean little and there are no change streams",
            "start mongod with --replSet rs0 and run once: mongosh --eval 'rs.initiate()'",
        )
    if not hello.get("isWritablePrimary"):
        return broken(
            REPLICA_SET,
            f"{hello.get('me', 'the member that answers')} is not the primary",
            f"name the set in MONGO_URI: ?replicaSet={hello['setName']}",
        )
    members = len(hello.get("hosts", ()))
    return ok(REPLICA_SET, f"{hello['setName']}, {members} member{'' if members == 1 else 's'}")


def clock(offset: timedelta) -> Finding:
    """`offset`: how far the store is ahead of this machine."""
    seconds = offset.total_seconds()
    side = "behind" if seconds > 0 else "ahead of"
    detail = f"this machine is {abs(seconds):.3f} s {side} MongoDB's"
    if abs(offset) <= CLOCK_MAY_DIFFER:
        return ok(CLOCK, detail)
    return warning(
        CLOCK,
        f"{detail}; our times follow MongoDB's, yet logs and certificates go by this machine's",
        "let a time service set the clocks of both machines: timedatectl set-ntp true",
    )
