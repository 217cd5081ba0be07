"""Times in webhooks: what is none counts as now, and no sum with one leaves the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from manyline.meta.webhook.values import moment

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("1795100000", datetime(2026, 11, 19, 14, 53, 20, tzinfo=UTC)),
        (1795100000, datetime(2026, 11, 19, 14, 53, 20, tzinfo=UTC)),
        (1795100000.9, datetime(2026, 11, 19, 14, 53, 20, tzinfo=UTC)),
        ("0", FIRST),
        (str(2**32 - 1), LAST),
    ],
)
def test_unix_seconds_are_read(told: object, at: datetime) -> None:
    assert moment(told) == at


@pytest.mark.parametrize(
    "told",
    [
        *("-1", -62135596800, "253402300799", str(2**32), 1795100000000, "9" * 5000),
        *(float("nan"), float("inf"), 1e300, True, None, "", "soon", [], {}),
    ],
)
def test_what_is_no_plausible_time_is_none(told: object) -> None:
    assert moment(told) is None


def test_years_may_be_added_and_taken_away() -> None:
    for at in (FIRST, LAST):
        assert at - timedelta(days=3650) < at < at + timedelta(days=3650)
