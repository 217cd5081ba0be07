"""The picture of a run: requests a second with a hundred tenants, as bars. SVG, drawn by hand."""

from collections.abc import Iterator, Sequence
from html import escape

from bench.figures import Figures, number
from bench.forms import HUNDRED
from bench.names import ACKNOWLEDGED, BARE, END_TO_END, OURS, SEEDS

GROUPS = (
    ("messages, acknowledged", "messages", ACKNOWLEDGED),
    ("messages, end to end", "messages", END_TO_END),
    ("1 message : 3 statuses, acknowledged", "mixed", ACKNOWLEDGED),
    ("sends by API, end to end", "sends", END_TO_END),
)
COLOURS = {SEEDS: "#9aa5b1", OURS: "#1f7a5c", BARE: "#d9c58b"}
NAMES = {SEEDS: "the seeds' stack", OURS: "Manyline", BARE: "bare limit (no HTTP, no logic)"}
WIDTH, LEFT, RIGHT = 760, 250, 90
BAR, GAP, TOP = 18, 16, 66
STYLE = "font-family='sans-serif' font-size='13' fill='#222'"


def draw(figures: Figures) -> str:
    """The whole SVG; whoever was not measured at a kind of work has no bar there."""
    groups = [(title, list(_bars(figures, work, what))) for title, work, what in GROUPS]
    most = max((value for _, bars in groups for _, value in bars), default=1.0)
    parts, y = list(_legend()), TOP
    for title, bars in groups:
        if bars:
            parts += _group(title, bars, y, most)
            y += len(bars) * BAR + GAP
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y}' role='img'>"
    title = "<title>Requests a second with 100 tenants</title>"
    paper = f"<rect width='{WIDTH}' height='{y}' fill='#fff'/>"
    return "\n".join([head, title, paper, *parts, "</svg>\n"])


def _bars(figures: Figures, work: str, what: str) -> Iterator[tuple[str, float]]:
    for who in COLOURS:
        found = figures.get(HUNDRED.name, who, work, what)
        if found is not None:
            yield who, found.median


def _group(title: str, bars: Sequence[tuple[str, float]], y: int, most: float) -> Iterator[str]:
    middle = y + len(bars) * BAR / 2 + 4
    yield f"<text x='{LEFT - 10}' y='{middle:.0f}' text-anchor='end' {STYLE}>{escape(title)}</text>"
    for place, (who, value) in enumerate(bars):
        top = y + place * BAR
        width = (WIDTH - LEFT - RIGHT) * value / most
        yield (
            f"<rect x='{LEFT}' y='{top}' width='{width:.1f}' height='{BAR - 3}'"
            f" fill='{COLOURS[who]}'/>"
        )
        yield f"<text x='{LEFT + width + 6:.1f}' y='{top + 12}' {STYLE}>{number(value)}</text>"


def _legend() -> Iterator[str]:
    yield f"<text x='20' y='24' {STYLE} font-weight='bold'>Requests a second, 100 tenants</text>"
    for place, (who, colour) in enumerate(COLOURS.items()):
        x = 20 + place * 160
        yield f"<rect x='{x}' y='36' width='12' height='12' fill='{colour}'/>"
        yield f"<text x='{x + 18}' y='47' {STYLE}>{escape(NAMES[who])}</text>"
