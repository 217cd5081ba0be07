"""What an answer of Graph means: taken, refused, or not known. Never guessed."""

import json
from typing import Any

import bson
import pytest

from manyline.meta.graph import Accepted, Refused, Unknown, read_answer

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


def test_a_4xx_that_is_not_graphs_was_refused_before_graph() -> None:
    answer = read_answer(403, b"<html>Forbidden</html>")
    assert isinstance(answer, Refused)
    assert (answer.error.status, answer.error.code) == (403, 0)
    assert "403" in answer.error.title


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
        {"code": 2**70, "message": "m"},
        {"code": -(2**70), "message": "m"},
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
