"""A message's life in plain words."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from manyline.messages.models import Message
from manyline.messages.states import Direction, MessageStatus
from manyline.messages.telling import HAPPENED
from manyline.messages.timeline import MOST_KEPT, Entry, timeline
from manyline.meta.catalogue import CATALOGUE
from manyline.sending.transitions import MOST_HISTORY, Event
from manyline.tenants.models import InDoubtPolicy, TenantSettings, TenantStatus

At = Callable[[float], datetime]
Make = Callable[..., Message]


@pytest.fixture
def tell(make_tenant: Any, at: At) -> Callable[..., list[Entry]]:
    def told(message: Message, *, now: float = 60, **tenant: Any) -> list[Entry]:
        return timeline(message, make_tenant(**tenant), now=at(now))

    return told


def refused(at: At, seconds: float, attempt: int, code: int, **more: Any) -> dict[str, Any]:
    return {
        "event": "refused",
        "at": at(seconds),
        "claimedAt": at(seconds - 0.5),
        "attempt": attempt,
        "code": code,
        "title": f"(#{code}) Meta's title",
        "until": at(seconds + 4),
        **more,
    }


def events(told: list[Entry]) -> list[str]:
    return [entry.event for entry in told]


def test_every_event_of_a_history_has_words_of_its_own() -> None:
    assert set(HAPPENED) == {event.value for event in Event}
    assert MOST_KEPT == MOST_HISTORY


def test_plain_success_is_told_from_its_times(make_message: Make, at: At, tell: Any) -> None:
    times = {"queued": 0, "sending": 1, "sent": 2, "delivered": 3, "read": 4}
    told = tell(
        make_message(
            status=MessageStatus.READ,
            status_at={name: at(seconds) for name, seconds in times.items()},
            wamid="wamid.1",
            attempts=1,
        )
    )
    assert [(entry.event, entry.text) for entry in told] == [
        ("accepted", "Accepted from your API call."),
        ("claimed", "Taken up by a worker: attempt 1."),
        ("sent", "WhatsApp's platform took it, as wamid.1."),
        ("delivered", "Delivered to the recipient's phone."),
        ("read", "Read by the recipient."),
    ]
    assert [entry.at for entry in told] == [at(n) for n in range(5)]


def test_where_it_came_from(make_message: Make, at: At, tell: Any) -> None:
    [reply, *_] = tell(make_message(source="auto-reply"))
    assert reply.text == "Made as the automatic reply to a message of the customer."
    [received] = tell(
        make_message(
            direction=Direction.IN,
            status=MessageStatus.RECEIVED,
            status_at={"received": at(0)},
            source="webhook",
        )
    )
    assert (received.event, received.text) == ("received", "Received from the customer.")


def test_a_refusal_says_the_code_what_it_means_and_when_it_goes_on(
    make_message: Make, at: At, tell: Any
) -> None:
    told = tell(
        make_message(
            history=[refused(at, 10, 1, 131056, fbtraceId="A1b2", details="pair rate")],
            error={"code": 131056, "title": "x"},
            next_attempt_at=at(14),
        ),
        now=11,
    )
    assert events(told) == ["accepted", "claimed", "refused", "waiting"]
    told_refused = told[2]
    assert told_refused.text == (
        f"WhatsApp's platform refused the call (131056: Meta's title): {CATALOGUE[131056].meaning}"
        " It is tried again at 2026-11-20 12:00:14 UTC."
    )
    assert (told_refused.attempt, told_refused.code) == (1, 131056)
    assert (told_refused.details, told_refused.fbtrace_id) == ("pair rate", "A1b2")
    assert told_refused.until == told[3].until == at(14)
    assert told[1].at == at(9.5)
    assert told[3].text == "Waits until 2026-11-20 12:00:14 UTC and is then tried again."


def test_a_call_that_was_never_made_is_no_attempt(make_message: Make, at: At, tell: Any) -> None:
    entry = refused(at, 10, 1, 0, title="Graph could not be reached (refused)")
    del entry["code"]
    told = tell(make_message(history=[entry]))
    assert told[1].text == "Taken up by a worker."
    assert told[2].text.startswith("Not sent: Graph could not be reached (refused). It is tried")
    assert (told[1].attempt, told[2].attempt) == (None, None)


def test_trouble_of_the_tenant_says_what_is_to_be_repaired(
    make_message: Make, at: At, tell: Any
) -> None:
    told = tell(
        make_message(history=[refused(at, 1, 1, 190, until=at(1))], next_attempt_at=at(1)),
        status=TenantStatus.PAUSED,
        paused_reason="The token has expired.",
    )
    assert "stays queued until that is repaired" in told[2].text
    assert CATALOGUE[190].fix in told[2].text
    assert told[2].until is None
    assert told[-1].text == (
        "Waits because the tenant is paused: The token has expired. It goes on when the tenant is"
        " active again."
    )


@pytest.mark.parametrize(
    ("changes", "now", "words", "until"),
    [
        ({}, 60, "for its turn", None),
        ({"next_attempt_at": 30}, 60, "for its turn", None),
        ({"next_attempt_at": 90}, 60, "only so many messages in a row to one recipient", 90),
        ({"next_attempt_at": 90, "error": {"title": "x"}}, 60, "tried again", 90),
        ({"next_attempt_at": 90, "behind": True}, 60, "behind an earlier message", None),
        ({"next_attempt_at": 3600, "parked_until": 3600}, 60, "go ahead of it", 3600),
    ],
)
def test_the_last_entry_says_what_it_waits_for(
    *,
    changes: dict[str, Any],
    now: float,
    words: str,
    until: float | None,
    make_message: Make,
    at: At,
    tell: Any,
) -> None:
    for name in ("next_attempt_at", "parked_until"):
        if name in changes:
            changes = {**changes, name: at(changes[name])}
    last = tell(make_message(**changes), now=now)[-1]
    assert (last.event, last.at) == ("waiting", at(0))
    assert words in last.text
    assert last.until == (at(until) if until is not None else None)


def test_a_doubt_says_who_settles_it(make_message: Make, at: At, tell: Any) -> None:
    doubt = {
        "event": "in_doubt",
        "at": at(20),
        "claimedAt": at(5),
        "attempt": 1,
        "title": "no answer from Graph (timeout)",
    }
    message = make_message(
        status=MessageStatus.IN_DOUBT,
        status_at={"queued": at(0), "sending": at(5), "in_doubt": at(20)},
        history=[doubt],
        attempts=1,
    )
    told = tell(message)
    assert events(told) == ["accepted", "claimed", "in_doubt", "waiting"]
    assert told[2].text == (
        "Nobody knows whether WhatsApp took it: no answer from Graph (timeout)."
    )
    assert "or for a person" in told[3].text
    resend = TenantSettings(in_doubt_policy=InDoubtPolicy.RESEND)
    assert "sent again" in tell(message, settings=resend)[3].text


def test_a_doubt_that_was_settled_is_not_left_standing(
    make_message: Make, at: At, tell: Any
) -> None:
    """Meta's time of `sent` lies before our doubt: the status came late."""
    told = tell(
        make_message(
            status=MessageStatus.SENT,
            status_at={"queued": at(0), "sending": at(5), "in_doubt": at(20), "sent": at(6)},
            history=[{"event": "in_doubt", "at": at(20), "claimedAt": at(5), "title": "timeout"}],
            wamid="wamid.1",
        )
    )
    assert events(told) == ["accepted", "claimed", "sent", "in_doubt"]
    assert told[-1].text.endswith("That has been settled since.")


def test_a_failed_status_names_metas_reason_and_the_fix(
    make_message: Make, at: At, tell: Any
) -> None:
    row = CATALOGUE[131026]
    told = tell(
        make_message(
            status=MessageStatus.FAILED,
            status_at={"queued": at(0), "sending": at(1), "sent": at(2), "failed": at(3)},
            error={"code": 131026, "title": "Message undeliverable", "fbtraceId": "A1"},
            attempts=1,
        )
    )
    assert told[-1].text == (
        f"WhatsApp reported that it failed (131026: Message undeliverable): {row.meaning} {row.fix}"
    )
    assert (told[-1].code, told[-1].fbtrace_id) == (131026, "A1")


def test_replays_keep_what_was_before_them(make_message: Make, at: At, tell: Any) -> None:
    failed = {
        "event": "failed",
        "at": at(2),
        "claimedAt": at(1),
        "attempt": 1,
        "code": 131026,
        "title": "Message undeliverable",
    }
    first = {"queued": at(0), "sending": at(1), "failed": at(2)}
    second = {"queued": at(0), "sending": at(11), "sent": at(12), "failed": at(13)}
    error = {"code": 131026, "title": "Message undeliverable"}
    replays = [
        {
            "event": "replayed",
            "at": at(10),
            "by": "api",
            "before": {"status": "failed", "statusAt": first, "error": error},
        },
        {
            "event": "replayed",
            "at": at(20),
            "by": "api",
            "before": {
                "status": "failed",
                "statusAt": second,
                "waMessageId": "wamid.2",
                "error": error,
            },
        },
    ]
    message = make_message(
        status=MessageStatus.DELIVERED,
        status_at={"queued": at(0), "sending": at(21), "sent": at(22), "delivered": at(23)},
        history=[failed, *replays],
        wamid="wamid.3",
        attempts=3,
    )
    told = tell(message)
    assert [(entry.event, entry.at) for entry in told] == [
        ("accepted", at(0)),
        ("claimed", at(1)),
        ("failed", at(2)),
        ("replayed", at(10)),
        ("claimed", at(11)),
        ("sent", at(12)),
        ("failed", at(13)),
        ("replayed", at(20)),
        ("claimed", at(21)),
        ("sent", at(22)),
        ("delivered", at(23)),
    ]
    assert "wamid.2" in told[5].text
    assert "wamid.3" in told[9].text
    assert told[6].text.startswith("WhatsApp reported that it failed (131026")
    assert told[3].text.startswith("Replayed through the API")


def test_marked_by_a_person_is_not_said_to_be_taken_by_whatsapp(
    make_message: Make, at: At, tell: Any
) -> None:
    told = tell(
        make_message(
            status=MessageStatus.SENT,
            status_at={"queued": at(0), "sending": at(1), "in_doubt": at(9), "sent": at(30)},
            history=[
                {"event": "in_doubt", "at": at(9), "claimedAt": at(1), "title": "timeout"},
                {"event": "marked_sent", "at": at(30), "by": "api"},
            ],
        )
    )
    assert events(told) == ["accepted", "claimed", "in_doubt", "marked_sent"]


def test_metas_whole_seconds_do_not_put_delivered_before_sent(
    make_message: Make, at: At, tell: Any
) -> None:
    times = {"queued": at(0), "sending": at(0.1), "sent": at(1.4), "delivered": at(1)}
    told = tell(make_message(status=MessageStatus.DELIVERED, status_at=times))
    assert events(told) == ["accepted", "claimed", "sent", "delivered"]
    assert told == sorted(told, key=lambda entry: entry.at)


def test_it_is_bounded_and_says_when_something_is_missing(
    make_message: Make, at: At, tell: Any
) -> None:
    history = [refused(at, n * 10, n, 131016) for n in range(1, MOST_KEPT + 1)]
    told = tell(make_message(history=history), now=1000)
    assert events(told).count("cut") == 1
    assert len(told) == 1 + 1 + 2 * MOST_KEPT + 1


def test_a_call_under_way_is_said_to_be(make_message: Make, at: At, tell: Any) -> None:
    sending = make_message(
        status=MessageStatus.SENDING, status_at={"queued": at(0), "sending": at(1)}, attempts=1
    )
    assert tell(sending)[-1].text == (
        "Taken up by a worker: attempt 2. The call to WhatsApp is under way."
    )


def test_what_a_later_release_writes_is_not_hidden(make_message: Make, at: At, tell: Any) -> None:
    told = tell(make_message(history=[{"event": "thawed", "at": at(1)}]))
    assert told[1].text == "Something happened that is called thawed."
