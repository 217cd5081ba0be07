"""Recorded webhooks, one file per case, as Meta documents them."""

from collections.abc import Callable
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "testdata" / "meta"


@pytest.fixture
def webhook_case() -> Callable[[str], bytes]:
    """The body of a case, by the name of its file."""
    return lambda name: (CASES / f"{name}.json").read_bytes()
