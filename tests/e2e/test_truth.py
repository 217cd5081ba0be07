"""The judge of `test_faults` is held to account: each lie that it exists for, it finds."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from graphsim.journal import Entry
from tests.e2e.proof.schedule import CUSTOMERS, TENANTS, TURNS, draw
from tests.e2e.proof.stage import Kill
from tests.e2e.proof.store import Stored
from tests.e2e.proof.truth import Case, Disturbance, Told, judge

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT = NOON.timestamp()
WAMID = "wamid.1"


def post(outcome: str, *, after: float = 0.01, **more: Any) -> Entry:
    """A POST so many seconds after noon, when the message was claimed."""
    known: dict[str, Any] = {
        "seq": int(after * 1000),
        "at": AT + after,
        "phone_number_id": "1",
        "to": "+919000000001",
        "type": "text",
        "body": "hi",
        "biz_opaque_callback_data": "m",
        "outcome": outcome,
        "answered": outcome in {"accepted", "error"},
        "wamid": WAMID if outcome == "accepted" else None,
    }
    return Entry(**(known | more))


def refused(code: int, *, after: float = 0.01, **more: Any) -> Entry:
    return post("error", after=after, code=code, fault="error", **more)


def stored(status: str, *, attempts: int = 1, codes: tuple[int, ...] = (), **more: Any) -> Stored:
    """A message that was claimed at noon, with a history of these errors."""
    plain = Stored(
        id="m",
        tenant_id="t",
        direction="OUT",
        status=status,
        body="hi",
        wamid=WAMID if status in {"sent", "delivered", "read"} else None,
        key="k",
        recipient="+919000000001",
        claimed_at=NOON,
        error={"code": codes[-1]} if status == "failed" and codes else None,
        attempts=attempts,
        lease_owner="worker-a/1",
        history=tuple({"event": "refused", "code": code} for code in codes),
    )
    return replace(plain, **more)


NOTHING = Disturbance()


def wrong(message: Stored, *posts: Entry, known: Disturbance = NOTHING, **more: Any) -> str:
    """What the judge says of it."""
    return "\n".join(judge([Case(message, posts, **more)], known).wrong)


KILLED = Disturbance([Kill(("worker",), AT + 0.02, frozenset({"m"}), "worker-a")])
LOST = post("hung", fault="hang")


@pytest.mark.parametrize(
    ("message", "posts", "more"),
    [
        (stored("read"), [post("accepted")], {}),
        (stored("sent"), [post("accepted")], {"statuses": Told.NONE}),
        (stored("read"), [post("accepted", fault="hang", answered=False)], {}),
        (stored("read"), [post("accepted", fault="http", http_status=502)], {}),
        (stored("failed", codes=(131051,)), [refused(131051)], {}),
        (stored("in_doubt"), [LOST], {}),
        (stored("in_doubt"), [post("http", fault="http", answered=True)], {}),
        (stored("in_doubt"), [post("accepted", answered=False, fault="hang")],
         {"statuses": Told.NONE}),
        (stored("read", codes=(131056,)), [refused(131056, after=-1), post("accepted")], {}),
        (stored("read", attempts=2, codes=(131016,)),
         [refused(131016, after=-1), post("accepted")], {}),
        (stored("failed", attempts=3, codes=(131000,) * 3),
         [refused(131000, after=at) for at in (-2, -1, 0.1)], {}),
        (stored("failed", error={"code": 131026}), [post("accepted")],
         {"statuses": Told.FAILED, "status_code": 131026}),
        (stored("in_doubt"), [post("accepted", answered=False)],
         {"statuses": Told.NONE, "known": KILLED}),
        (stored("in_doubt"), [], {"known": KILLED}),
        (stored("in_doubt"), [], {"known": Disturbance(resets_unread=1)}),
        (stored("in_doubt"), [], {"known": Disturbance(refused_from=[AT])}),
    ],
)  # fmt: skip
def test_the_truth_passes(message: Stored, posts: list[Entry], more: dict[str, Any]) -> None:
    assert wrong(message, *posts, **more) == ""


@pytest.mark.parametrize(
    ("message", "posts", "more", "said"),
    [
        (stored("read", attempts=2), [LOST, post("accepted", after=2)], {}, "may have been taken"),
        (stored("read", attempts=2),
         [post("accepted", fault="http"), post("accepted", after=2)], {}, "taken more than once"),
        (stored("read", attempts=2, codes=(131016,)),
         [refused(131016, answered=False), post("accepted", after=2)], {}, "may have been taken"),
        (stored("read", attempts=2, codes=(131051,)),
         [refused(131051), post("accepted", after=2)], {}, "does not pass"),
        (stored("read", attempts=6, codes=(2,) * 5),
         [*(refused(2, after=at) for at in range(-5, 0)), post("accepted")], {}, "does not pass"),
        (stored("sent"), [post("accepted")], {}, "must be read"),
        (stored("sent"), [LOST], {}, "must be in_doubt"),
        (stored("failed", error={"code": 1}), [LOST], {}, "must be in_doubt"),
        (stored("failed", codes=(131016,)), [refused(131016)], {}, "must be in_doubt"),
        (stored("queued", attempts=0), [], {}, "must be in_doubt"),
        (stored("sending", attempts=0), [post("accepted")], {}, "must be read"),
        (stored("in_doubt"), [post("accepted")], {}, "must be read"),
        (stored("read", wamid="wamid.2"), [post("accepted")], {}, "Meta gave wamid.1"),
        (stored("failed", codes=(131051,), error={"code": 100}), [refused(131051)], {},
         "failed with 100"),
        (stored("read", attempts=2), [post("accepted")], {}, "2 attempts"),
        (stored("read", attempts=2), [refused(131016, after=-1), post("accepted")], {}, "history"),
        (stored("in_doubt"), [post("accepted")], {"statuses": Told.NONE}, "somebody must know"),
        (stored("in_doubt"), [], {}, "somebody must know"),
        (stored("in_doubt", lease_owner="worker-b/1"), [], {"known": KILLED},
         "somebody must know"),
        (stored("in_doubt"), [], {"known": Disturbance([Kill(("w",), AT + 9, frozenset())])},
         "somebody must know"),
    ],
)  # fmt: skip
def test_a_lie_is_found(
    message: Stored, posts: list[Entry], more: dict[str, Any], said: str
) -> None:
    assert said in wrong(message, *posts, **more)


def test_a_seed_draws_one_schedule_and_another_seed_another() -> None:
    numbers = [str(place) for place in range(TENANTS)]
    customers = [str(900 + place) for place in range(TENANTS * CUSTOMERS)]
    first = draw(7, numbers, customers)
    assert first == draw(7, numbers, customers)
    assert first != draw(8, numbers, customers)
    assert sum(len(script) for script in first.scripts) == TENANTS * CUSTOMERS * TURNS
