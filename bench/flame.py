"""A profile as a flame graph: SVG, each function as wide as it and its callees took, callers below.

Hover a box for its name, file and microseconds a message.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

from bench.profiles import PRODUCT, Frame, Profile

WIDTH, ROW, TOP = 1400, 17, 30
LEAST_WIDTH = 0.6
"""Narrower boxes are left out: nobody could read them."""
LETTER_WIDTH = 6.6


@dataclass
class Box:
    """A function where it was called from one stack of callers."""

    samples: int = 0
    callees: dict[Frame, "Box"] = field(default_factory=dict)


def draw(taken: Profile) -> str:
    """The whole SVG."""
    root = _boxes(taken.stacks)
    per_sample = WIDTH / max(1, root.samples)
    depth = _depth(root, per_sample)
    height = TOP + depth * ROW
    boxes = _drawn(taken, root, 0.0, height, per_sample)
    title = f"{taken.role}: {taken.us_per_message:,.0f} µs of CPU a message"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}'"
            " font-family='monospace' font-size='11'>",
            f"<rect width='{WIDTH}' height='{height}' fill='#fff'/>",
            f"<text x='8' y='19' font-size='14'>{escape(title)}</text>",
            *boxes,
            "</svg>\n",
        ]
    )


def _boxes(stacks: "Counter[tuple[Frame, ...]]") -> Box:
    root = Box()
    for stack, seen in stacks.items():
        box = root
        box.samples += seen
        for frame in stack:
            box = box.callees.setdefault(frame, Box())
            box.samples += seen
    return root


def _depth(box: Box, per_sample: float) -> int:
    shown = [one for one in box.callees.values() if one.samples * per_sample >= LEAST_WIDTH]
    return 1 + max((_depth(one, per_sample) for one in shown), default=0)


def _drawn(taken: Profile, box: Box, x: float, y: int, per_sample: float) -> Iterator[str]:
    """The callees of a box above it, the widest first."""
    for frame, callee in sorted(box.callees.items(), key=lambda one: -one[1].samples):
        width = callee.samples * per_sample
        if width < LEAST_WIDTH:
            return
        yield _rectangle(frame, x, y - ROW, width, f"{taken.us(callee.samples):,.1f} µs")
        yield from _drawn(taken, callee, x, y - ROW, per_sample)
        x += width


def _rectangle(frame: Frame, x: float, y: int, width: float, told: str) -> str:
    shown = escape(frame.name[: int((width - 4) / LETTER_WIDTH)]) if width > 20 else ""
    return (
        f"<g><title>{escape(frame.name)} ({escape(frame.file)}): {told}</title>"
        f"<rect x='{x:.1f}' y='{y}' width='{width:.1f}' height='{ROW - 1}'"
        f" fill='{_colour(frame)}'/><text x='{x + 2:.1f}' y='{y + 12}'>{shown}</text></g>"
    )


def _colour(frame: Frame) -> str:
    """Ours is green, libraries are warm; a function's shade is always the same."""
    shade = crc32(f"{frame.file}:{frame.name}".encode()) % 40
    if frame.file.startswith(PRODUCT):
        return f"rgb({90 + shade},{185 + shade},{120 + shade})"
    return f"rgb({225 - shade // 4},{150 + shade},{70 + shade})"
