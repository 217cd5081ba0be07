"""What content of any shape means beside its words."""

import json
from typing import Any

import pytest

from manyline.messages.meaning import Meaning, meaning_of

NOTHING = Meaning()


def flow(written: object) -> dict[str, Any]:
    answer = {"name": "flow", "body": "Sent", "response_json": written}
    return {"interactive": {"type": "nfm_reply", "nfm_reply": answer}}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"context": None},
        {"context": {"id": 7, "forwarded": "yes", "referred_product": []}},
        {"interactive": {"type": "button"}, "referral": "x", "order": 5, "button": []},
        {"interactive": {"type": ["list"], "list": {}}},
        {"interactive": {"type": "button_reply", "button_reply": "odd"}},
    ],
)
def test_what_is_not_there_or_odd(content: dict[str, Any]) -> None:
    assert meaning_of(content) == NOTHING


def test_replies_and_forwards() -> None:
    meaning = meaning_of({"context": {"id": "wamid.1", "frequently_forwarded": True}})
    assert (meaning.reply_to, meaning.forwarded) == ("wamid.1", True)
    assert meaning_of({"context": {"message_id": "wamid.1"}}).reply_to == "wamid.1"


def test_a_question_of_ours_is_no_answer() -> None:
    ours = {"type": "button", "body": {"text": "Which?"}, "action": {"buttons": []}}
    assert meaning_of({"interactive": ours}).interactive is None


def test_a_flows_answer_is_decoded() -> None:
    shown = meaning_of(flow('{"guests": 2, "names": ["é"]}')).interactive
    assert shown == {
        "type": "nfm_reply",
        "name": "flow",
        "body": "Sent",
        "response": {"guests": 2, "names": ["é"]},
    }


@pytest.mark.parametrize(
    "written",
    [
        "no json",
        "[1]",
        '"text"',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a":' * 60 + "1" + "}" * 60,
        "[" * 100_000,
        7,
        None,
    ],
)
def test_what_cannot_be_shown_as_json_stays_as_it_was(written: object) -> None:
    shown = meaning_of(flow(written)).interactive
    assert shown is not None
    assert "response" not in shown
    assert shown["response_json"] == written
    json.dumps(shown)
