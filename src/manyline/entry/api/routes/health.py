"""`/health`, `/health/ready` and `/metrics`: is it up, can it work, what has it done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from manyline.base.errors import ManylineError
from manyline.infra.heartbeats import LATELY
from manyline.infra.mongo import ping
from manyline.runtime.foundation import Foundation

CHECK_SECONDS = 2.0
UP = "up"
DOWN = "down"


def health_routes(foundation: Foundation) -> APIRouter:
    """The operator's three questions."""
    router = APIRouter(tags=["health"])

    # Some load balancers look at the status alone.
    @router.head("/health", include_in_schema=False)
    @router.get("/health")
    async def health() -> dict[str, Any]:
        """This process answers."""
        return {"ok": True, "status": "up"}

    @router.head("/health/ready", include_in_schema=False)
    @router.get("/health/ready")
    async def ready(response: Response) -> dict[str, Any]:
        """What this process depends on, each with its state; 503 when it cannot take messages."""
        mongodb, redis, worker = await asyncio.gather(
            _state(lambda: ping(foundation.mongo)),
            _state(foundation.queue.ping),
            _worker(foundation),
        )
        checks = {"mongodb": mongodb, "redis": redis, "worker": worker}
        if mongodb["state"] == DOWN:
            response.status_code = 503
            status = "unavailable"
        else:
            fine = all(check["state"] == UP for check in checks.values())
            status = "ready" if fine else "degraded"
        return {"ok": status != "unavailable", "status": status, "checks": checks}

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(foundation.registry), media_type=CONTENT_TYPE_LATEST)

    return router


async def _state(check: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except (ManylineError, OSError, TimeoutError) as error:
        return {"state": DOWN, "detail": type(error).__name__}
    return {"state": UP}


async def _worker(foundation: Foundation) -> dict[str, Any]:
    """Whether any worker gave a sign of life lately; unknown while the store is away."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            seen = await foundation.heartbeats.last_seen("worker")
    except (ManylineError, OSError, TimeoutError):
        return {"state": "unknown"}
    if seen is None:
        return {"state": "missing", "detail": "no worker was seen within the last hour"}
    age = (foundation.clock.now() - seen).total_seconds()
    state = UP if age <= LATELY.total_seconds() else "missing"
    return {"state": state, "secondsAgo": round(max(age, 0.0), 1)}
