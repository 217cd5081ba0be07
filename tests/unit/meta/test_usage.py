"""The header that tells how much of Meta's calls is used up: read when sound, ignored when not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyline.meta.usage import Usage, read_usage


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "type": "whatsapp",
        "call_count": 12,
        "total_cputime": 3,
        "total_time": 4,
        "estimated_time_to_regain_access": 0,
    } | changes


def header(*entries: Any) -> str:
    return json.dumps({"102290129340398": list(entries)})


def test_as_meta_documents_it() -> None:
    assert read_usage(header(entry())) == Usage(percent=12, regain_after=timedelta(0))
    throttled = entry(call_count=100, estimated_time_to_regain_access=19)
    assert read_usage(header(throttled)) == Usage(100, timedelta(minutes=19))


def test_the_worst_of_all_entries_and_accounts_counts() -> None:
    told = {
        "1": [entry(call_count=5), entry(total_time=88)],
        "2": [entry(estimated_time_to_regain_access=7), entry(total_cputime=140)],
    }
    assert read_usage(json.dumps(told)) == Usage(140, timedelta(minutes=7))


def test_what_is_missing_or_absurd_counts_as_nothing() -> None:
    odd = entry(call_count="full", total_time=-5, total_cputime=True)
    assert read_usage(header(odd)) == Usage(0, timedelta(0))
    assert read_usage(header({"call_count": 70})) == Usage(70, timedelta(0))
    assert read_usage(header("x", 7, None, entry(call_count=9))) == Usage(9, timedelta(0))


@pytest.mark.parametrize(
    "value",
    [None, "", "{}", "[]", "null", "7", "no json", '{"1": []}', '{"1": {}}', '{"1": [7]}',
     '{"1": [{"type": "whatsapp"}]}', "[" * 10_000, "x" * 20_000],
)  # fmt: skip
def test_no_usage_is_none(value: str | None) -> None:
    assert read_usage(value) is None


@pytest.mark.parametrize("minutes", [10**30, 1e300, float("inf")])
def test_nobody_waits_for_ever_on_a_headers_word(minutes: float) -> None:
    usage = read_usage(header(entry(estimated_time_to_regain_access=minutes, call_count=minutes)))
    assert usage is not None
    assert usage.regain_after <= timedelta(days=7)
    assert usage.percent < 2**31


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["1", "call_count", "estimated_time_to_regain_access", "x"]), inner
        )
    ),
)


@given(anything)
def test_whatever_it_holds_it_raises_nothing(value: Any) -> None:
    usage = read_usage(json.dumps(value))
    assert usage is None or usage.percent >= 0


@given(st.text())
def test_whatever_its_text_it_raises_nothing(value: str) -> None:
    read_usage(value)
