"""How much of Meta's hourly calls is used up, from the header `X-Business-Use-Case-Usage`.

Its value is JSON: `{"<business id>": [{"type": "whatsapp", "call_count": 95, "total_cputime": 20,
"total_time": 30, "estimated_time_to_regain_access": 0}, ...]}`, counts in percent, times in
minutes (Meta's page "Rate limits" of the Graph API).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

USAGE_HEADER = "X-Business-Use-Case-Usage"
_COUNTS = ("call_count", "total_cputime", "total_time")
_REGAIN = "estimated_time_to_regain_access"
_LONGEST_HEADER = 16_384
_LONGEST_REGAIN = 7 * 24 * 60
"""Minutes. Whatever a header says, nobody waits longer on its word."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The worst of what an answer told about limits."""

    percent: int
    """Of the calls, time or CPU time allowed; over 100 when throttled."""
    regain_after: timedelta
    """Until there is room again; zero when nothing is throttled."""


def read_usage(header: str | None) -> Usage | None:
    """The usage in a header's value; None when there is none to read. Raises nothing."""
    if not header or len(header) > _LONGEST_HEADER:
        return None
    try:
        told = json.loads(header)
    except (ValueError, RecursionError):
        return None
    entries = list(_entries(told))
    if not entries:
        return None
    percent = max(_whole(entry.get(name)) for entry in entries for name in _COUNTS)
    minutes = max(_whole(entry.get(_REGAIN)) for entry in entries)
    return Usage(
        percent=min(percent, 2**31 - 1),
        regain_after=timedelta(minutes=min(minutes, _LONGEST_REGAIN)),
    )


def _entries(told: object) -> Iterator[dict[str, Any]]:
    for of_business in told.values() if isinstance(told, dict) else ():
        for entry in of_business if isinstance(of_business, list) else ():
            if isinstance(entry, dict) and any(name in entry for name in (*_COUNTS, _REGAIN)):
                yield entry


def _whole(value: object) -> int:
    """A count that is not negative; 0 for anything else, infinity and the like included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    try:
        return max(0, int(value))
    except (ValueError, OverflowError):
        return 0
