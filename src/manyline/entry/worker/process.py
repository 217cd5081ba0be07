"""The worker process: takes jobs until it is told to stop, and runs the background loops."""

import asyncio
import os
import signal

import structlog
import uvloop
from prometheus_client import start_http_server

from manyline.base.background import Background
from manyline.base.errors import StoreUnavailableError
from manyline.base.memory import settle_memory
from manyline.infra.heartbeats import INTERVAL_SECONDS
from manyline.observability.logs import configure_logs
from manyline.runtime.worker import STOP_CALLS_SECONDS, WorkerRuntime, open_worker
from manyline.settings import Settings

STOP_JOBS_SECONDS = 3.0
# Where api and worker share cores, a webhook's answer comes before a send: Meta repeats what is
# answered late, while a message that waits a little only waits.
NICENESS = 19

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun.

    Raises `SettingsError`, `StoreUnavailableError`, and `WorkerDiedError` when the loop that
    takes jobs ends by itself: a worker that takes no jobs must not look alive.
    """
    configure_logs(json_lines=settings.in_production, level=settings.log_level, role="worker")
    os.nice(NICENESS)
    uvloop.run(_work(settings))


async def _work(settings: Settings) -> None:
    async with open_worker(settings, progress=_tell) as worker:
        stopping = _stop_on_signals()
        loops = worker.foundation.background
        loops.start("heartbeat", _beat(worker))
        loops.start("relay", _relay(worker))
        _serve_metrics(worker)
        settle_memory()
        log.info("worker.ready", owner=worker.foundation.owner)
        await _until_stopped(worker, loops, stopping)
        await worker.deliverer.stop()
        await worker.calls.stop(within_seconds=STOP_CALLS_SECONDS)
        await _say_goodbye(worker)
        log.info("worker.stopped")


async def _until_stopped(worker: WorkerRuntime, loops: Background, stopping: asyncio.Event) -> None:
    """Take jobs until told to stop, or until any part of the worker breaks (then raise)."""
    jobs = asyncio.create_task(worker.shell.run())
    asked = asyncio.create_task(stopping.wait())
    broken = asyncio.create_task(loops.broken())
    done, _ = await asyncio.wait({jobs, asked, broken}, return_when=asyncio.FIRST_COMPLETED)
    for task in (asked, broken):
        task.cancel()
    if jobs not in done:
        await worker.shell.stop(within_seconds=STOP_JOBS_SECONDS)
    await jobs
    if broken in done:
        await broken.result()


async def _say_goodbye(worker: WorkerRuntime) -> None:
    """Let the next worker take over at once; without it, a few seconds pass."""
    try:
        await worker.relay_role.release()
        await worker.foundation.heartbeats.gone(owner=worker.foundation.owner)
    except StoreUnavailableError:
        log.warning("worker.goodbye_not_stored")


async def _beat(worker: WorkerRuntime) -> None:
    foundation = worker.foundation
    while True:
        try:
            await foundation.heartbeats.beat(role="worker", owner=foundation.owner)
        except StoreUnavailableError:
            log.warning("heartbeat.store_away")
        await asyncio.sleep(INTERVAL_SECONDS)


async def _relay(worker: WorkerRuntime) -> None:
    """One holder at a time looks for what got stuck."""
    while True:
        try:
            if await worker.relay_role.hold():
                await worker.relay.round()
                await worker.statuses.retry_parked()
                await worker.merges.sweep()
        except StoreUnavailableError:
            log.warning("relay.store_away")
        await asyncio.sleep(worker.foundation.settings.relay_interval_seconds)


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _serve_metrics(worker: WorkerRuntime) -> None:
    port = worker.foundation.settings.worker_metrics_port
    if port is not None:
        start_http_server(
            port, addr=worker.foundation.settings.host, registry=worker.foundation.registry
        )


def _tell(line: str) -> None:
    log.info("worker.waiting", detail=line)
