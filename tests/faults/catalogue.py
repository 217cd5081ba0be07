"""Every row, by family: the modules of `rows/`, in this order, and any other after them."""

import importlib
import pkgutil
from collections.abc import Iterator

from tests.faults import rows
from tests.faults.row import Row

ORDER = (
    "calm",
    "api_kills",
    "worker_kills",
    "webhooks",
    "queue",
    "redis",
    "mongo",
    "graph",
    "input",
    "clock",
    "fleet",
)


def all_rows() -> list[Row]:
    """As they stand in their modules."""
    found = {module.name for module in pkgutil.iter_modules(rows.__path__)}
    names = [name for name in ORDER if name in found]
    names += sorted(found - set(ORDER))
    return [row for name in names for row in _rows_of(name)]


def _rows_of(name: str) -> Iterator[Row]:
    module = importlib.import_module(f"{rows.__name__}.{name}")
    return (value for value in vars(module).values() if isinstance(value, Row))
