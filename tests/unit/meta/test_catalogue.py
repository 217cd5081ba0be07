"""The error catalogue: every code has its class, words that can be acted on, and waits that fit."""

import re
from datetime import timedelta

import pytest

from manyline.meta.catalogue import (
    CATALOGUE,
    FALL_BACK_ROWS,
    PLATFORM_DOES,
    TENANT_TROUBLE,
    ErrorClass,
    ErrorRow,
    row_of,
)

# Written out once more, by hand, so that a row that slips into another class is noticed.
CODES = {
    ErrorClass.BACKOFF: {1, 2, 131000, 131016, 131057, 133004},
    ErrorClass.WAIT_NUMBER: {130429},
    ErrorClass.WAIT_PAIR: {131056},
    ErrorClass.WAIT_APP: {4, 80007},
    ErrorClass.WAIT_LONG: {131048, 131049, 131064, 132069, 133008, 133009, 133015, 133016, 134101},
    ErrorClass.RECIPIENT: {131026, 131021, 131030, 130403, 130472, 130497, 131050, 131047, 131062},
    ErrorClass.CONTENT: {100, 131008, 131009, 131051, 131052, 131053, 131055, 131063, 132000}
    | {132001, 132005, 132007, 132012, 132015, 132016, 132018, 132068, 134100, 134102, 135000},
    ErrorClass.TOKEN: {0, 3, 10, 190, 131005, *range(200, 300)},
    ErrorClass.ACCOUNT: {368, 131031, 131042, 134011, 131037},
    ErrorClass.NUMBER: {33, 131045, 133000, 133005, 133006, 133010},
}
ROWS = [*CATALOGUE.values(), *FALL_BACK_ROWS.values()]


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_code_is_in_its_class(error_class: ErrorClass) -> None:
    found = {code for code, row in CATALOGUE.items() if row.error_class is error_class}
    assert found == CODES[error_class]
    assert all(row_of(code) is CATALOGUE[code] for code in found)


def test_a_row_stands_under_its_own_code() -> None:
    assert all(row.code == code for code, row in CATALOGUE.items())
    assert all(row.code is None for row in FALL_BACK_ROWS.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.error_class}")
def test_words_are_sentences_of_a_length_one_reads(row: ErrorRow) -> None:
    for words in (row.meaning, row.fix):
        assert words[0].isupper()
        assert words.endswith(".")
        assert 20 < len(words) < 320
        assert "  " not in words
        assert "\n" not in words
    assert row.href.startswith("https://developers.facebook.com/")


def test_no_two_errors_are_told_in_the_same_words() -> None:
    """But the block of missing permissions, and Meta's two ways to say that it is away."""
    told = [row.meaning for code, row in CATALOGUE.items() if not 200 < code < 300]
    assert len(told) == len(set(told))


def test_waits_are_there_where_a_class_needs_them_and_nowhere_else() -> None:
    for row in ROWS:
        if row.error_class in {ErrorClass.WAIT_LONG, ErrorClass.WAIT_APP}:
            assert row.delay is not None
            assert timedelta(minutes=5) <= row.delay <= timedelta(hours=72)
        elif row.code == 131057:
            assert row.delay == timedelta(seconds=60)
        else:
            assert row.delay is None


@pytest.mark.parametrize(
    ("code", "delay"),
    [
        (131049, timedelta(hours=24)),
        (134101, timedelta(minutes=10)),
        (133015, timedelta(minutes=5)),
    ],
)
def test_waits_that_meta_names(code: int, delay: timedelta) -> None:
    assert row_of(code).delay == delay


def test_few_tries_for_errors_without_a_cause() -> None:
    few = {code for code, row in CATALOGUE.items() if row.tries != 5}
    assert few == {1, 131000}
    assert {row_of(code).tries for code in few} == {3}


def test_the_platform_says_what_it_does_in_every_class() -> None:
    assert set(PLATFORM_DOES) == set(ErrorClass)
    assert {ErrorClass.TOKEN, ErrorClass.ACCOUNT, ErrorClass.NUMBER} == TENANT_TROUBLE
    for error_class in TENANT_TROUBLE:
        assert "paus" in PLATFORM_DOES[error_class]
        assert error_class.value.startswith("tenant_")
    for error_class in (ErrorClass.RECIPIENT, ErrorClass.CONTENT):
        assert "failed" in PLATFORM_DOES[error_class]


def test_who_needs_a_new_token_is_told_how_to_give_it() -> None:
    for code in CODES[ErrorClass.TOKEN]:
        assert re.search(r"PATCH the tenant's accessToken", row_of(code).fix), code
    for code in CODES[ErrorClass.ACCOUNT] | CODES[ErrorClass.NUMBER]:
        assert re.search(r"set the tenant active again", row_of(code).fix), code


def test_the_window_names_the_template_way() -> None:
    assert "template" in row_of(131047).fix


@pytest.mark.parametrize(
    ("status", "transient", "error_class"),
    [
        (400, True, ErrorClass.BACKOFF),
        (403, True, ErrorClass.BACKOFF),
        (None, True, ErrorClass.BACKOFF),
        (500, False, ErrorClass.BACKOFF),
        (503, False, ErrorClass.BACKOFF),
        (429, False, ErrorClass.WAIT_NUMBER),
        (401, False, ErrorClass.TOKEN),
        (403, False, ErrorClass.TOKEN),
        (400, False, ErrorClass.CONTENT),
        (404, False, ErrorClass.CONTENT),
        (None, False, ErrorClass.CONTENT),
    ],
)
@pytest.mark.parametrize("code", [None, 5, 199, 300, 999_999])
def test_an_unknown_code_falls_back_by_its_status(
    code: int | None, status: int | None, transient: bool, error_class: ErrorClass
) -> None:
    row = row_of(code, status=status, transient=transient)
    assert (row.code, row.error_class) == (None, error_class)
    assert row in FALL_BACK_ROWS.values()


@pytest.mark.parametrize("status", [None, 400, 401, 429, 500])
def test_a_known_code_is_its_row_whatever_else_is_said(status: int | None) -> None:
    for code, row in CATALOGUE.items():
        assert row_of(code, status=status, transient=True) is row
