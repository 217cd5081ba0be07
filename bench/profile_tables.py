"""A profile as tables: by part of the way, by package, by function."""

from collections import Counter

from bench.profiles import Frame, Profile
from bench.tables import Row, plain

SHOWN = 25
ENTRY_SHARE = 0.97
"""A function in more of the stacks than this is the program's entry, and tells nothing."""


def render(taken: Profile) -> str:
    """Four tables under a heading."""
    inner = Counter(
        {f: n for f, n in taken.with_callees().items() if n < ENTRY_SHARE * taken.samples}
    )
    return "\n\n".join(
        [
            f"{taken.role}: {taken.us_per_message:,.0f} µs of CPU a message,"
            f" {taken.samples:,} samples",
            plain([("part of the way", "µs, libraries included"), *_named(taken, taken.by_part())]),
            plain([("whose code", "µs itself"), *_named(taken, taken.by_package())]),
            plain(
                [("function", "", "µs itself"), *_functions(taken, taken.by_function())],
                left=(0, 1),
            ),
            plain([("function", "", "µs with callees"), *_functions(taken, inner)], left=(0, 1)),
        ]
    )


def _named(taken: Profile, counts: "Counter[str]") -> list[Row]:
    return [(name, f"{taken.us(seen):,.1f}") for name, seen in counts.most_common(SHOWN)]


def _functions(taken: Profile, counts: "Counter[Frame]") -> list[Row]:
    most = counts.most_common(SHOWN)
    return [(frame.name, frame.file, f"{taken.us(seen):,.1f}") for frame, seen in most]
