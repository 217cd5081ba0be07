"""Waiting for a child that has just been started: until it listens, or has ended instead."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from manyline.infra.embedded.binaries import missing_library
from manyline.infra.embedded.child import Child
from manyline.infra.embedded.errors import StartError
from manyline.infra.embedded.logs import last_lines

START_SECONDS = 60.0
POLL_SECONDS = 0.01
SIGILL_EXIT = -4


async def until(
    child: Child, check: Callable[[], Awaitable[bool]], *, seconds: float = START_SECONDS
) -> None:
    """Call `check` until it is true; `StartError` when the child ends first, or time does."""
    try:
        async with asyncio.timeout(seconds):
            while not await check():
                if child.exit_code is not None:
                    raise StartError(describe_end(child))
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StartError(
            f"{child.role} did not answer within {seconds:.0f} s; its log is {child.command.log}"
        ) from None


async def listens(host: str, port: int) -> bool:
    """Whether somebody accepts a connection there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def describe_end(child: Child) -> str:
    """One line: how it ended, why if its log says so, and where that log is."""
    code = child.exit_code
    lines = last_lines(child.command.log, count=20)
    reason = missing_library(lines)
    if reason is None and code == SIGILL_EXIT:
        reason = "this processor lacks instructions that it needs (MongoDB wants AVX)"
    reason = reason or _last_complaint(lines)
    how = f"was ended by signal {-code}" if code is not None and code < 0 else f"exited with {code}"
    return f"{child.role} {how}: {reason}; its log is {child.command.log}"


def _last_complaint(lines: list[str]) -> str:
    """The last line, or of mongod's JSON log the last one that is an error."""
    said = [_from_json(line) for line in lines]
    errors = [text for severity, text in said if severity in {"E", "F"} and "***" not in text]
    texts = errors or [text for _, text in said]
    return " ".join(texts[-1].split())[:300] if texts else "it said nothing"


def _from_json(line: str) -> tuple[str, str]:
    """Severity and text of a line of mongod's log; any other line is its own text."""
    try:
        entry = json.loads(line)
        error = entry["attr"].get("error", "") if "attr" in entry else ""
        detail = error.get("errmsg", "") if isinstance(error, dict) else str(error)
        return entry["s"], f"{entry['msg']}: {detail}" if detail else entry["msg"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", line
