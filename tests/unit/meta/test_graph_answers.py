"""What an answer of Graph means: taken, refused, or not known. Never guessed."""

import json
from typing import Any

import bson
import pytest

from manyline.meta.answers import (
    Accepted,
    NotSent,
    NumberSeen,
    Refused,
    Unknown,
    read_answer,
    read_number_answer,
)

ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+919012345678", "wa_id": "919012345678"}],
    "messages": [{"id": "wamid.HBg"}],
}
ERROR = {
    "error": {
        "message": "(#131026) Message undeliverable",
        "type": "OAuthException",
        "code": 131026,
        "error_data": {"messaging_product": "whatsapp", "details": "Not on WhatsApp."},
        "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
    }
}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_message_id_means_taken() -> None:
    assert read_answer(200, encoded(ACCEPTED)) == Accepted("wamid.HBg", "919012345678")
    paced = {"messages": [{"id": "wamid.X", "message_status": "held_for_quality_assessment"}]}
    assert read_answer(200, encoded(paced)) == Accepted("wamid.X", None)


def test_a_graph_error_means_refused_whatever_the_status() -> None:
    for status in (400, 401, 403, 404, 429, 500, 503):
        answer = read_answer(status, encoded(ERROR))
        assert isinstance(answer, Refused)
        error = answer.error
        assert (error.status, error.code, error.title) == (
            status,
            131026,
            "(#131026) Message undeliverable",
        )
        assert (error.details, error.fbtrace_id) == ("Not on WhatsApp.", "Az8or2yhqkZfEZ-_4Qn_Bam")


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"[]", b"{}", b'{"messages": []}', b'{"messages": [{}]}', b'{"messages": [7]}',
     b'{"messages": [{"id": ""}]}', b'{"messages": [{"id": 7}]}', b'{"messages": {"id": "x"}}',
     b"[" * 100_000],
)  # fmt: skip
def test_success_without_a_message_id_is_not_known(body: bytes) -> None:
    assert isinstance(read_answer(200, body), Unknown)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Gateway</html>", b'{"error": "gateway"}', b'{"error": {"code": "x"}}',
             b'{"error": {"code": true}}']
)  # fmt: skip
def test_a_5xx_that_is_not_graphs_is_not_known(body: bytes) -> None:
    for status in (500, 502, 503, 504):
        assert isinstance(read_answer(status, body), Unknown)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 407, 413, 429])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Forbidden</html>", b'{"error": "denied"}', b'{"error": {"code": "0"}}',
     b'{"error": {"code": -1}}'],
)  # fmt: skip
def test_what_was_turned_away_before_graph_was_not_sent(status: int, body: bytes) -> None:
    """Not an error with code 0: that is a real one of Graph's, about the token."""
    reason = f"HTTP {status} without a Graph error"
    assert read_answer(status, body) == NotSent(reason, turned_away=True)


def test_graph_says_what_passes_and_gives_a_subcode() -> None:
    body = {"error": {"code": 2, "message": "m", "is_transient": True, "error_subcode": 2494055}}
    answer = read_answer(503, encoded(body))
    assert isinstance(answer, Refused)
    assert (answer.error.is_transient, answer.error.error_subcode) == (True, 2494055)


@pytest.mark.parametrize(
    ("transient", "subcode"), [(None, None), ("true", "7"), (1, -7), (False, 2**40), ([], True)]
)
def test_odd_marks_are_no_marks(transient: Any, subcode: Any) -> None:
    error = {"code": 2, "message": "m", "is_transient": transient, "error_subcode": subcode}
    answer = read_answer(503, encoded({"error": error}))
    assert isinstance(answer, Refused)
    assert (answer.error.is_transient, answer.error.error_subcode) == (False, None)


def test_long_words_are_cut() -> None:
    long = {"error": {"code": 1, "message": "m" * 9_000, "error_data": {"details": "d" * 9_000}}}
    answer = read_answer(400, encoded(long))
    assert isinstance(answer, Refused)
    assert len(answer.error.title) == len(answer.error.details or "") == 500


@pytest.mark.parametrize(
    "error",
    [
        {"code": 1, "message": "\ud800"},
        {"code": 1, "message": "m", "error_data": {"details": "\udfff"}},
        {"code": 1, "message": "m", "fbtrace_id": "\ud800"},
        {"code": 1, "message": "m", "error_subcode": 2**70},
    ],
)
def test_no_answer_holds_what_the_store_would_refuse(error: dict[str, Any]) -> None:
    """Settlements share a write, so one that cannot be encoded would cost its neighbours theirs."""
    answer = read_answer(400, encoded({"error": error}))
    assert isinstance(answer, Refused)
    kept = answer.error
    bson.encode({"code": kept.code, "texts": [kept.title, kept.details, kept.fbtrace_id]})


@pytest.mark.parametrize("wamid", ["\ud800", "w" * 5_000])
def test_a_message_id_that_cannot_be_kept_is_none(wamid: str) -> None:
    answer = read_answer(200, encoded({"messages": [{"id": wamid}]}))
    assert isinstance(answer, Unknown)


@pytest.mark.parametrize("code", [2**70, -(2**70), 2**31, -1])
def test_a_code_that_no_store_takes_is_no_graph_error(code: int) -> None:
    body = encoded({"error": {"code": code, "message": "m"}})
    assert isinstance(read_answer(400, body), NotSent)
    assert isinstance(read_answer(500, body), Unknown)


NUMBER = {
    "id": "111",
    "display_phone_number": "+1 555-0100",
    "verified_name": "Shop",
    "quality_rating": "GREEN",
}


def test_a_number_that_graph_shows_is_seen() -> None:
    seen = read_number_answer(200, encoded(NUMBER), phone_number_id="111")
    assert seen == NumberSeen("111", "+1 555-0100", "Shop", "GREEN")
    assert read_number_answer(200, b'{"id": "111"}', phone_number_id="111") == NumberSeen("111")


def test_a_number_is_seen_only_if_graph_names_it() -> None:
    for body in (b"", b"{}", b"[]", b'{"id": "112"}', b'{"id": 111}', b"<html>"):
        answer = read_number_answer(200, body, phone_number_id="111")
        assert isinstance(answer, Unknown), body


def test_a_token_that_graph_refuses_is_refused() -> None:
    body = encoded({"error": {"code": 190, "message": "Invalid OAuth access token"}})
    refused = read_number_answer(401, body, phone_number_id="111")
    assert isinstance(refused, Refused)
    assert refused.error.code == 190
    assert isinstance(read_number_answer(403, b"no", phone_number_id="111"), NotSent)
    assert isinstance(read_number_answer(502, b"no", phone_number_id="111"), Unknown)


def test_a_token_that_graph_quotes_is_not_kept() -> None:
    token = "EAAG" + "x" * 600
    error = {"code": 190, "message": f"Malformed access token {token}", "error_data": {}}
    error["error_data"] = {"details": f"{'why ' * 120}{token}"}
    for answer in (
        read_answer(400, encoded({"error": error}), token=token),
        read_number_answer(400, encoded({"error": error}), phone_number_id="1", token=token),
    ):
        assert isinstance(answer, Refused)
        assert answer.error.title == "Malformed access token (the token)"
        assert "EAAG" not in repr(answer)
