"""Errors as they are shown: the catalogue's words beside Graph's own."""

from typing import Any

import pytest

from manyline.messages.explanations import HAS_STOPPED, explained
from manyline.messages.states import MessageStatus
from manyline.meta.catalogue import CATALOGUE, PLATFORM_DOES, ErrorClass

QUEUED, FAILED = MessageStatus.QUEUED, MessageStatus.FAILED


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_of_the_catalogue_is_explained_with_its_row(code: int) -> None:
    row = CATALOGUE[code]
    error = {"code": code, "title": "Meta's own", "details": "more", "fbtraceId": "A1"}
    shown = explained(error, QUEUED)
    assert shown == error | {
        "class": row.error_class.value,
        "meaning": row.meaning,
        "fix": row.fix,
        "href": row.href,
        "platformDoes": PLATFORM_DOES[row.error_class],
    }


@pytest.mark.parametrize("code", [131000, 131042, 190, 130429, 131049])
def test_a_message_that_has_failed_is_not_said_to_wait(code: int) -> None:
    """A `failed` status may hold any error; the class says what becomes of a waiting message."""
    shown = explained({"code": code, "title": "x"}, FAILED)
    assert shown is not None
    assert shown["platformDoes"] == HAS_STOPPED
    assert shown["class"] == CATALOGUE[code].error_class.value


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, ErrorClass.CONTENT),
        ({"httpStatus": 503}, ErrorClass.BACKOFF),
        ({"httpStatus": 429}, ErrorClass.WAIT_NUMBER),
        ({"httpStatus": 401}, ErrorClass.TOKEN),
        ({"transient": True}, ErrorClass.BACKOFF),
    ],
)
def test_an_unknown_code_is_explained_by_what_is_known_of_its_answer(
    more: dict[str, Any], found: ErrorClass
) -> None:
    shown = explained({"code": 987654, **more}, QUEUED)
    assert shown is not None
    assert shown["class"] == found.value


def test_errors_of_our_own_stay_as_they_are() -> None:
    error = {"title": "expired before it could be sent", "details": "it waited too long"}
    assert explained(error, FAILED) == error
    assert explained(None, QUEUED) is None


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"title": "Invalid parameter"}, ErrorClass.CONTENT),
        ({"title": "Invalid parameter", "subcode": 33}, ErrorClass.NUMBER),
        ({"title": "Invalid appsecret_proof provided"}, ErrorClass.TOKEN),
    ],
)
def test_what_code_100_meant_is_told_as_it_was_judged(
    more: dict[str, Any], found: ErrorClass
) -> None:
    shown = explained({"code": 100, "httpStatus": 400, **more}, QUEUED)
    assert shown is not None
    assert shown["class"] == found.value
    assert shown["platformDoes"] == PLATFORM_DOES[found]
