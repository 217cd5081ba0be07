"""docs/benchmarks.md says what docs/benchmarks.json holds, and the picture shows it."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

from bench import page, plot
from bench.figures import Figures
from bench.forms import LONG
from bench.results import Results


def committed() -> Results:
    return Results.from_json((page.DOCS / page.DATA).read_text(encoding="utf-8"))


def test_the_committed_page_and_picture_are_made_from_the_committed_run(tmp_path: Path) -> None:
    for name in (page.PAGE, page.DATA, page.PICTURE):
        shutil.copy(page.DOCS / name, tmp_path)
    for file in page.publish(committed(), tmp_path):
        assert file.read_text() == (page.DOCS / file.name).read_text(), (
            "run python -m bench publish docs/benchmarks.json"
        )


def test_every_target_of_the_run_is_told() -> None:
    part = page.made_part(committed())
    for target in committed().targets:
        assert f"| {target.what} |" in part


def test_the_picture_has_a_bar_for_whoever_was_measured() -> None:
    figures = Figures()
    rate = ("messages", "acknowledged (1/s)")
    figures.add("100 tenants", "seeds", {rate: 100.0})
    figures.add("100 tenants", "ours", {rate: 1000.0})
    drawn = plot.draw(figures)
    ElementTree.fromstring(drawn)
    widths = [float(width) for width in re.findall(r"width='([\d.]+)' height='15'", drawn)]
    assert len(widths) == 2
    assert widths[1] == 10 * widths[0]


def test_the_long_form_tells_of_growth_and_of_two_processes_together() -> None:
    figures = Figures()
    cpu = {("messages", "api: CPU per request (µs)"): 200.0}
    figures.add(
        "100 tenants",
        "ours, 2 + 2 processes",
        {**cpu, ("messages", "api-2: CPU per request (µs)"): 100.0},
    )
    figures.add("growth", "full", {("messages", "acknowledged (1/s)"): 850.0})
    part = page.made_part(Results("2026-01-02T03:04:05+00:00", LONG, 60.0, {}, figures))
    assert "| api | – | – | 300 | – |" in part
    assert "2,000,000 messages before the first one" in part
    assert "| acknowledged (1/s) | – | 850 |" in part
