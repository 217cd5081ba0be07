from typing import Any

import msgspec
import pytest

from graphsim.fault_rules import EarlyStatus, Error, FailStatus, Hang, Http, Late, read_rules
from graphsim.faults import Faults, Subject

SEND = Subject(
    phone_number_id="111",
    customer="919012345678",
    token="EAAG-1",
    opaque="m1",
    path="/v26.0/111/messages",
)


def faults_of(*rules: dict[str, Any]) -> Faults:
    faults = Faults()
    faults.add(*read_rules(list(rules)))
    return faults


def test_without_rules_nothing_goes_wrong() -> None:
    faults = Faults()
    assert faults.for_call(SEND) is None
    wrong = faults.for_webhooks(SEND)
    assert wrong.copies("sent") == 1
    assert not wrong.drops("sent")
    assert wrong.order(["sent", "read"]) == ["sent", "read"]


def test_a_rule_is_exhausted_after_its_times_and_the_next_one_takes_over() -> None:
    faults = faults_of(
        {"fault": {"kind": "error", "code": 131016}, "times": 2},
        {"fault": "hang", "times": 1},
    )

    struck = [faults.for_call(SEND) for _ in range(4)]

    assert struck == [Error(code=131016), Error(code=131016), Hang(), None]
    assert [rule["struck"] for rule in faults.listing()] == [2, 1]


def test_a_rule_without_times_never_ends() -> None:
    faults = faults_of({"fault": {"kind": "late", "seconds": 2}})
    assert [faults.for_call(SEND) for _ in range(100)] == [Late(seconds=2.0)] * 100


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"phone_number_id": "111"},
        {"to": "919012345678"},
        {"to": "+919012345678"},
        {"token": "EAAG-1"},
        {"opaque": "m1"},
        {"path": "*/messages"},
        {"phone_number_id": "111", "opaque": "m1", "path": "/v26.0/*"},
    ],
)
def test_a_match_strikes(match: dict[str, str]) -> None:
    assert faults_of({"match": match, "fault": "hang"}).for_call(SEND) == Hang()


@pytest.mark.parametrize(
    "match",
    [
        {"phone_number_id": "222"},
        {"to": "919"},
        {"token": "EAAG-2"},
        {"opaque": "m2"},
        {"path": "/v25.0/*"},
        {"phone_number_id": "111", "opaque": "m2"},
    ],
)
def test_a_match_spares_and_is_not_used_up(match: dict[str, str]) -> None:
    faults = faults_of({"match": match, "fault": "hang", "times": 1})
    assert faults.for_call(SEND) is None
    assert faults.listing()[0]["struck"] == 0


def test_only_a_rule_with_a_path_strikes_what_is_not_a_message() -> None:
    look = Subject(phone_number_id="111", token="t", path="/v26.0/111", is_message=False)
    assert faults_of({"fault": "hang"}).for_call(look) is None
    assert faults_of({"fault": "hang", "match": {"path": "/v26.0/*"}}).for_call(look) == Hang()


def test_probability_is_repeatable_by_its_seed() -> None:
    def run(seed: int) -> list[bool]:
        faults = faults_of({"fault": "hang", "probability": 0.3, "seed": seed})
        return [faults.for_call(SEND) is not None for _ in range(1000)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 220 < sum(run(1)) < 380


def test_webhook_faults_add_up_but_only_one_of_each_kind_is_used() -> None:
    faults = faults_of(
        {"fault": {"kind": "duplicate", "copies": 3, "webhooks": ["sent"]}, "times": 1},
        {"fault": {"kind": "duplicate", "copies": 9}, "times": 1},
        {"fault": {"kind": "drop_webhook", "webhooks": ["read"]}},
        {"fault": "early_status"},
        {"fault": {"kind": "fail_status", "code": 131026}},
    )

    wrong = faults.for_webhooks(SEND)

    assert (wrong.copies("sent"), wrong.copies("delivered")) == (3, 1)
    assert (wrong.drops("read"), wrong.drops("sent")) == (True, False)
    assert wrong.early_status == EarlyStatus()
    assert wrong.fail_status == FailStatus(code=131026)
    assert faults.for_webhooks(SEND).copies("delivered") == 9
    assert faults.for_call(SEND) is None


def test_shuffle_never_gives_the_right_order_and_is_repeatable() -> None:
    def run() -> list[list[str]]:
        faults = faults_of({"fault": "shuffle", "seed": 5})
        return [
            list(faults.for_webhooks(SEND).order(["sent", "delivered", "read"])) for _ in range(50)
        ]

    assert run() == run()
    assert all(order != ["sent", "delivered", "read"] for order in run())
    assert all(sorted(order) == ["delivered", "read", "sent"] for order in run())
    assert faults_of({"fault": "shuffle"}).for_webhooks(SEND).order(["sent"]) == ["sent"]


@pytest.mark.parametrize(
    "rule",
    [
        "hang",
        {},
        {"fault": "explode"},
        {"fault": {"kind": "error"}},
        {"fault": {"kind": "hang", "point": "never"}},
        {"fault": "hang", "times": 0},
        {"fault": "hang", "probability": 2},
        {"fault": "hang", "match": {"number": "111"}},
        {"fault": "hang", "when": "now"},
        {"fault": "fail_status"},
        {"fault": {"kind": "hang", "point": "before_read"}},
        {"fault": {"kind": "reset", "point": "before_read"}, "match": {"to": "919"}},
        {"fault": {"kind": "reset", "point": "before_read"}, "match": {"opaque": "m1"}},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_rules(rule)


def test_a_reset_before_the_body_is_read_is_asked_for_by_the_head_alone() -> None:
    unread = {"kind": "reset", "point": "before_read"}
    faults = faults_of({"fault": unread, "match": {"phone_number_id": "111"}, "times": 1})
    head = Subject(phone_number_id="111", token="EAAG-1", path="/v26.0/111/messages")
    other = Subject(phone_number_id="222", token="EAAG-1", path="/v26.0/222/messages")

    assert faults.any_before_read
    assert faults.for_call(SEND) is None
    assert [faults.before_read(one) for one in (other, head, head)] == [False, True, False]
    faults.clear()
    assert not faults.any_before_read


def test_a_page_names_its_status_unless_another_body_is_given() -> None:
    assert "<title>403 Forbidden</title>" in Http(status=403).text
    assert "<title>599 Error</title>" in Http(status=599).text
    assert Http(status=502, body="").text == ""
