"""Programs that came with requirements/dev.txt: in this environment, on the PATH or not."""

import sysconfig
from pathlib import Path


def tool(name: str) -> Path:
    """Where it is; a test whose tool is missing fails, and says how to get it."""
    found = Path(sysconfig.get_path("scripts"), name)
    assert found.exists(), f"{name} is not installed: tools/bootstrap dev"
    return found
