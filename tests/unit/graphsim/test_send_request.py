import json
from typing import Any

import pytest

from graphsim.graph_errors import graph_error
from graphsim.send_request import check, parse


def text_message(**changes: Any) -> dict[str, Any]:
    message = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+919012345678",
        "type": "text",
        "text": {"body": "hello"},
        "biz_opaque_callback_data": "m1",
    }
    return {name: value for name, value in {**message, **changes}.items() if value is not ...}


def code_of(message: Any) -> int | None:
    error = check(parse(json.dumps(message).encode()))
    return None if error is None else error.code


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": ...},
        {"to": ..., "recipient": "CC.abc123"},
        {"text": {"body": "x" * 4096}},
        {"biz_opaque_callback_data": ...},
        {"biz_opaque_callback_data": "x" * 512},
        {"type": "image", "image": {"id": "1"}},
        {"type": "contacts", "contacts": [{"name": {}}]},
        {"type": "template", "template": {"name": "hello_world"}},
    ],
)
def test_taken(changes: dict[str, Any]) -> None:
    assert code_of(text_message(**changes)) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": ...}, 100),
        ({"messaging_product": "sms"}, 100),
        ({"messaging_product": 7}, 100),
        ({"to": ...}, 131008),
        ({"to": ""}, 131008),
        ({"to": 919}, 100),
        ({"to": "nobody"}, 131009),
        ({"text": ...}, 100),
        ({"text": {}}, 100),
        ({"text": {"body": ""}}, 100),
        ({"text": {"body": 5}}, 100),
        ({"text": "hello"}, 100),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"type": "telegram"}, 131051),
        ({"type": 3}, 131051),
        ({"type": "image"}, 131008),
        ({"type": "image", "image": []}, 131008),
        ({"type": "image", "image": "x"}, 100),
        ({"type": "contacts", "contacts": {"name": 1}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"biz_opaque_callback_data": 1}, 100),
    ],
)
def test_refused(changes: dict[str, Any], code: int) -> None:
    assert code_of(text_message(**changes)) == code


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[]", b"null", b"\xff\xfe\xfd", b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused_not_raised(raw: bytes) -> None:
    error = check(parse(raw))
    assert error is not None
    assert error.code == 100


def test_the_wa_id_has_no_plus_and_the_journal_fields_survive_nonsense() -> None:
    send = parse(json.dumps(text_message(messaging_product="sms")).encode())
    assert (send.to, send.wa_id, send.body, send.opaque) == (
        "+919012345678",
        "919012345678",
        "hello",
        "m1",
    )


def test_the_error_body_has_metas_shape() -> None:
    error = graph_error(131030, "Recipient is not allowed.", title="Not in allowed list")
    body = error.body()["error"]
    assert error.http_status == 400
    assert body["fbtrace_id"].startswith("A")
    assert len(body.pop("fbtrace_id")) == 23
    assert body == {
        "message": "(#131030) Not in allowed list",
        "type": "OAuthException",
        "code": 131030,
        "error_data": {"messaging_product": "whatsapp", "details": "Recipient is not allowed."},
    }


@pytest.mark.parametrize(("code", "http_status"), [(190, 401), (100, 400), (131000, 500), (2, 503)])
def test_the_http_status_comes_from_the_catalogue(code: int, http_status: int) -> None:
    assert graph_error(code, "").http_status == http_status
    assert graph_error(code, "", http_status=418).http_status == 418
