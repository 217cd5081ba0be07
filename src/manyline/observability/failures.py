"""Unexpected errors in a log: their kind and place, and no word that may quote data."""

import traceback
from typing import Any

from manyline.base.errors import ManylineError

FRAMES = 5


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Kind and place of an error, for a log line.

    Its text only if the error is ours: a driver's may quote the document it was about.
    """
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    described: dict[str, Any] = {
        "error": type(error).__name__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, ManylineError):
        described["detail"] = error.detail
    return described
