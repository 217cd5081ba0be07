"""A run as it is kept: JSON with every figure of every round, and the verdict on each target."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figures
from bench.forms import Form
from bench.targets import Target, targets


@dataclass(frozen=True)
class Results:
    """All that is known after a run."""

    at: str
    form: Form
    took_seconds: float
    machine: dict[str, str]
    figures: Figures

    @property
    def targets(self) -> Sequence[Target]:
        """Each with what was seen."""
        return targets(self.figures, self.form)

    @property
    def all_hold(self) -> bool:
        """Whether every target holds that this form judges."""
        return all(target.holds for target in self.targets if target.judged)

    def to_json(self) -> str:
        """For `from_json`, and for whoever wants to look closer."""
        body = {
            "at": self.at,
            "form": asdict(self.form),
            "tookSeconds": round(self.took_seconds),
            "machine": self.machine,
            "targets": [
                asdict(t) | {"holds": t.holds, "missed_by": t.missed_by} for t in self.targets
            ],
            "figures": self.figures.to_json(),
        }
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """What `to_json` made; targets are judged anew."""
        body = json.loads(text)
        return cls(
            at=body["at"],
            form=Form.from_json(body["form"]),
            took_seconds=body["tookSeconds"],
            machine=body["machine"],
            figures=Figures.from_json(body["figures"]),
        )

    def write(self, directory: Path) -> Path:
        """Keep it under its form's name and time; answers where."""
        stamp = self.at.replace("-", "").replace(":", "")[:15]
        file = directory / f"bench-{self.form.name}-{stamp}.json"
        file.write_text(self.to_json(), encoding="utf-8")
        return file


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
