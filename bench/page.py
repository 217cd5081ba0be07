"""docs/benchmarks.md: the part between its markers, and the files beside it, from one run."""

from pathlib import Path

from bench import plot, tell
from bench.results import Results
from bench.tables import markdown
from tools.docs_pages import between_markers

DOCS = Path(__file__).parents[1] / "docs"
PAGE, DATA, PICTURE = "benchmarks.md", "benchmarks.json", "benchmarks.svg"
MARK = "results"


def publish(results: Results, docs: Path = DOCS) -> list[Path]:
    """Write the run into the page, and beside it its JSON and its picture."""
    page = docs / PAGE
    made = {
        page: between_markers(page.read_text(encoding="utf-8"), MARK, made_part(results)),
        docs / DATA: results.to_json(),
        docs / PICTURE: plot.draw(results.figures),
    }
    for file, text in made.items():
        file.write_text(text, encoding="utf-8")
    return list(made)


def made_part(results: Results) -> str:
    """What the page says of this run, as Markdown."""
    figures = results.figures
    machine = "; ".join(f"{name} {value}" for name, value in results.machine.items())
    form = results.form
    sections = [
        f"{results.at[:10]}, {form.name} form ({form.rounds} rounds, {form.seconds:.0f} s of each"
        f" kind of load in a round; {results.took_seconds / 60:.0f} minutes in all). {machine}.",
        tell.others(figures),
        "### Targets",
        markdown(tell.target_rows(results)),
        f"![Requests a second with 100 tenants]({PICTURE})",
        "### Requests a second",
        markdown(tell.rate_rows(figures)),
        "### Time to answer at half load, 100 tenants",
        markdown(tell.answer_rows(figures)),
        "### CPU, 100 tenants",
        *(markdown(tell.cpu_rows(figures, work)) for work in ("messages", "mixed", "sends")),
        "### Memory at its most",
        markdown(tell.memory_rows(figures)),
    ]
    if form.fill_messages:
        sections += [
            f"### A full database: {form.fill_messages:,} messages before the first one",
            markdown(tell.growth_rows(figures)),
        ]
    return "\n\n".join(sections)
