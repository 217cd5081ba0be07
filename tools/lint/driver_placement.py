"""MongoDB's driver stays in `infra/` and in repositories: its errors and types stop there.

`bson` may be used anywhere: an ObjectId is a value, not a connection.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.lint.finding import Finding

RULE = "driver-placement"
DRIVER = frozenset({"pymongo", "gridfs", "motor"})


def check(path: Path, source: str) -> Iterator[Finding]:
    """Findings in one module of the product."""
    if path.name == "repository.py" or "infra" in path.parts:
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case _:
                continue
        if any(module.partition(".")[0] in DRIVER for module in modules):
            yield Finding(
                path,
                node.lineno,
                RULE,
                f"{modules[0]} belongs in infra/ or a repository.py; ask one of those instead",
            )
