"""How jobs are written and read back."""

import json
from itertools import chain, pairwise

import pytest

from manyline.queue.jobs import Drain, Send, drain_job, read_job, send_jobs


def test_messages_are_grouped_by_fifty_in_their_order() -> None:
    ids = [f"m{n}" for n in range(120)]

    jobs = list(send_jobs(ids))

    groups = [job["data"]["messageIds"] for job in jobs]
    assert [len(group) for group in groups] == [50, 50, 20]
    assert list(chain(*groups)) == ids
    assert list(send_jobs([])) == []


def test_every_job_is_plain_json_with_an_id_that_node_accepts() -> None:
    jobs = [*send_jobs(["1"] * 51), drain_job("111"), drain_job("111", delay_seconds=2)]

    ids = [job["opts"]["jobId"] for job in jobs]
    assert len(set(ids)) == len(ids)
    for job, job_id in zip(jobs, ids, strict=True):
        assert ":" not in job_id
        assert not job_id.isdecimal()
        assert json.loads(json.dumps(job)) == job


def test_every_job_is_bounded_and_none_overtakes_another() -> None:
    for job in (*send_jobs(["a"]), drain_job("111", delay_seconds=2)):
        options = job["opts"]
        assert options["attempts"] == 5
        assert options["backoff"] == {"type": "exponential", "delay": 1000}
        assert options["removeOnComplete"] is True
        assert options["removeOnFail"]["count"] <= 1000
        assert options["stackTraceLimit"] == 0
        assert "priority" not in options
        assert "lifo" not in options


def equality(phone_number_id: str, delay_seconds: float) -> str:
    options = drain_job(phone_number_id, delay_seconds=delay_seconds)["opts"]
    return str(options["deduplication"]["id"])


def test_drains_are_equal_by_number_and_about_the_same_delay() -> None:
    assert equality("111", 0) == equality("111", 0) == equality("111", -3)
    assert equality("111", 0) != equality("222", 0)
    assert equality("111", 0) != equality("111", 0.001)
    assert equality("111", 10.0) == equality("111", 10.1)
    assert equality("111", 0.3) != equality("111", 60)


def test_a_drain_never_waits_for_one_due_over_a_fifth_later() -> None:
    delays = [1.02**step / 1000 for step in range(1000)]
    classes: dict[str, list[float]] = {}
    for delay in delays:
        # What BullMQ is told: whole milliseconds.
        classes.setdefault(equality("111", delay), []).append(round(delay * 1000))

    for members in classes.values():
        assert max(members) <= min(members) * 1.2
    assert all(max(a) <= min(b) for a, b in pairwise(classes.values()))


def test_delay_is_whole_milliseconds_and_absent_when_there_is_none() -> None:
    assert drain_job("111", delay_seconds=0.2504)["opts"]["delay"] == 250
    assert "delay" not in drain_job("111")["opts"]
    assert "delay" not in drain_job("111", delay_seconds=-1)["opts"]


def test_a_job_is_read_back_as_what_it_asks() -> None:
    (send,) = send_jobs(["a", "b"])
    drain = drain_job("111")

    assert read_job(send["name"], send["data"]) == Send(["a", "b"])
    assert read_job(drain["name"], drain["data"]) == Drain("111")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("send", None),
        ("send", []),
        ("send", {}),
        ("send", {"messageIds": "abc"}),
        ("send", {"messageIds": []}),
        ("send", {"messageIds": ["a", 1]}),
        ("drain", {}),
        ("drain", {"phoneNumberId": 111}),
        ("drain", {"phoneNumberId": ""}),
        ("drain", "111"),
        ("resend", {"messageIds": ["a"]}),
        (None, {}),
    ],
)
def test_what_is_not_ours_is_not_understood(name: object, data: object) -> None:
    assert read_job(name, data) is None
