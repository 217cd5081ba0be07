"""Run every rule over the work tree; exit 1 when one has a finding."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.lint import driver_placement, module_names, tenant_scope
from tools.lint.finding import Finding

OURS = ("src", "tests", "tools", "bench")
PRODUCT = Path("src/manyline")


def findings(root: Path) -> Iterator[Finding]:
    """All of them, paths relative to `root`."""
    for folder in OURS:
        for file in sorted((root / folder).rglob("*.py")):
            path, source = file.relative_to(root), file.read_text(encoding="utf-8")
            yield from module_names.check(path, source)
            if path.is_relative_to(PRODUCT):
                yield from driver_placement.check(path, source)
                if path.name == "repository.py":
                    yield from tenant_scope.check(path, source)


def main() -> int:
    """Print findings, one a line, and a closing line."""
    found = sorted(findings(Path.cwd()))
    for finding in found:
        print(finding)
    print(f"{len(found)} findings" if found else "tools.lint: no findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
