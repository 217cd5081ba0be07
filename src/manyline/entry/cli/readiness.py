"""Asking the API whether everything answers: `GET /health/ready` on loopback."""

import asyncio
import json
from typing import Any

ASK_SECONDS = 3.0


async def ask(host: str, port: int) -> dict[str, Any] | None:
    """The answer's JSON object, whatever its status; None while there is no such answer."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            raw = await _get(host, port, "/health/ready")
        answer = json.loads(raw.partition(b"\r\n\r\n")[2])
    except (OSError, TimeoutError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def is_ready(answer: dict[str, Any] | None) -> bool:
    """Whether MongoDB, Redis and a worker are all up."""
    return answer is not None and answer.get("status") == "ready"


def missing(answer: dict[str, Any] | None) -> str:
    """What the API still waits for, as `worker: missing, redis: down`."""
    if answer is None:
        return "the API does not answer yet"
    checks = answer.get("checks", {})
    states = {name: check.get("state", "unknown") for name, check in checks.items()}
    return ", ".join(f"{name}: {state}" for name, state in states.items() if state != "up")


async def _get(host: str, port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()
