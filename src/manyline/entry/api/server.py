"""The API process: uvicorn around the application, until SIGTERM or SIGINT.

uvicorn, measured against granian on the webhook's shape: 50 µs of CPU a request against 68.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
import uvloop

from manyline.base.background import Background
from manyline.base.errors import ManylineError
from manyline.base.memory import settle_memory
from manyline.entry.api.app import build_app
from manyline.entry.api.short_way import short_way
from manyline.observability.logs import configure_logs
from manyline.runtime.api import open_api
from manyline.settings import Settings

STOP_SECONDS = 5
BACKLOG = 2048

log = structlog.get_logger(__name__)


class AddressTakenError(ManylineError):
    """Something else listens where this server should."""

    code = "address_taken"


def serve(settings: Settings) -> None:
    """Serve until told to stop, then finish the requests that were begun.

    Raises `SettingsError`, `StoreUnavailableError` and `AddressTakenError`.
    """
    configure_logs(json_lines=settings.in_production, level=settings.log_level, role="api")
    listener = _listen(settings.host, settings.port)
    try:
        uvloop.run(_serve(settings, listener))
    finally:
        listener.close()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with open_api(settings, progress=_tell) as runtime:
        config = uvicorn.Config(
            build_app(runtime),
            http=short_way(runtime),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        settle_memory()
        log.info("api.ready", port=listener.getsockname()[1])
        server = _Server(config, before_stop=runtime.events.stop)
        await _until_stopped(server, listener, runtime.foundation.background)
    log.info("api.stopped")


async def _until_stopped(server: "_Server", listener: socket.socket, loops: Background) -> None:
    """Serve until told to stop, or until a background loop breaks (then raise)."""
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    broken = asyncio.create_task(loops.broken())
    await asyncio.wait({serving, broken}, return_when=asyncio.FIRST_COMPLETED)
    server.stop()
    await serving
    if broken.done():
        await broken.result()
    broken.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to us: it would raise them again when it is done,
    and so end the process before what is open was closed."""

    def __init__(self, config: uvicorn.Config, *, before_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_stop = before_stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no more requests and finish those that were begun; streams of events end."""
        self._before_stop()
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"cannot listen on {host}:{port} ({error.strerror}); stop what listens there, or set"
            " PORT to a free one"
        ) from None
    listener.setblocking(False)
    return listener


def _tell(line: str) -> None:
    log.info("api.waiting", detail=line)
