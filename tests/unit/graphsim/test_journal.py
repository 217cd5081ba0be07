from typing import Any

from graphsim.journal import Entry, Journal


def post(journal: Journal, **changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "at": 1.0,
        "phone_number_id": "111",
        "to": "+919",
        "type": "text",
        "body": "hi",
        "biz_opaque_callback_data": None,
        "outcome": "accepted",
    }
    return journal.record(**{**facts, **changes})


def test_entries_are_numbered_in_order_of_arrival() -> None:
    journal = Journal()
    assert [post(journal).seq for _ in range(3)] == [1, 2, 3]


def test_select_by_since_number_and_limit() -> None:
    journal = Journal()
    for index in range(10):
        post(journal, phone_number_id=str(index % 2))

    def seqs(**query: Any) -> list[int]:
        return [entry.seq for entry in journal.select(**query)]

    assert seqs() == list(range(1, 11))
    assert seqs(since=7) == [8, 9, 10]
    assert seqs(since=99) == []
    assert seqs(limit=2) == [1, 2]
    assert seqs(phone_number_id="1") == [2, 4, 6, 8, 10]
    assert seqs(since=4, phone_number_id="1", limit=2) == [6, 8]


def test_an_emptied_journal_goes_on_counting_and_since_still_holds() -> None:
    journal = Journal()
    old = post(journal, biz_opaque_callback_data="m1")
    post(journal)
    journal.clear()
    assert journal.summary() == {
        "posts": 0,
        "accepted": 0,
        "distinct_opaque": 0,
        "doubled": [],
        "doubled_accepted": [],
        "by_number": {},
    }

    journal.answered(old, 200)  # its answer was still on the way
    new = post(journal, biz_opaque_callback_data="m1")

    assert new.seq == 3
    assert journal.select(since=2) == [new]
    assert journal.select(since=0) == [new]
    assert journal.counts() == {"posts": 1, "answered": 0, "accepted": 1}
    assert journal.summary()["doubled"] == []


def test_summary_tells_posted_twice_from_taken_twice() -> None:
    journal = Journal()
    for opaque, outcome in [
        ("once", "accepted"),
        ("retried", "error"),
        ("retried", "accepted"),
        ("twice", "accepted"),
        ("twice", "accepted"),
        ("twice", "accepted"),
        (None, "reset"),
        (None, "reset"),
    ]:
        post(journal, biz_opaque_callback_data=opaque, outcome=outcome, phone_number_id="7")

    assert journal.summary() == {
        "posts": 8,
        "accepted": 5,
        "distinct_opaque": 3,
        "doubled": ["retried", "twice"],
        "doubled_accepted": ["twice"],
        "by_number": {"7": 8},
    }


def test_answers_are_counted() -> None:
    journal = Journal()
    entry = post(journal)
    post(journal, outcome="hung")
    journal.answered(entry, 200)

    assert (entry.answered, entry.http_status) == (True, 200)
    assert journal.counts() == {"posts": 2, "answered": 1, "accepted": 1, "hung": 1}
