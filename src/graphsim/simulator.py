"""The simulator as one object: opens its parts in order, closes them in reverse."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import msgspec
from aiohttp import web

from graphsim.control_routes import ControlRoutes
from graphsim.fault_rules import read_rules
from graphsim.faults import Faults
from graphsim.graph_routes import GraphRoutes
from graphsim.inbound import InboundOrder, deliver
from graphsim.journal import Journal
from graphsim.listener import Listener
from graphsim.settings import Settings
from graphsim.state import State
from graphsim.webhook_delivery import Counters

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; well over the 3 MB that Meta's own webhooks may have."""
STOP_PATIENCE = 0.25
"""Seconds that calls under way get to end by themselves when the simulator stops; twice at most."""


class Simulator:
    """Listens between `start` and `stop`; also an asynchronous context manager.

    `settings` may be changed at any time and holds from the next request on. After `stop` the
    journal can still be read; a stopped simulator cannot be started again.
    """

    def __init__(
        self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._state = State(Settings() if settings is None else settings)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Listen; raises `OSError` when the port is taken or the host is not this machine's."""
        app = web.Application(client_max_size=LARGEST_BODY)
        runner = web.AppRunner(
            app,
            access_log=None,
            # A caller that goes away ends its handler: that is how a hang ends.
            handler_cancellation=True,
            shutdown_timeout=STOP_PATIENCE,
        )
        listener = Listener(runner)
        app.on_response_prepare.append(listener.say_last)
        app.add_routes(ControlRoutes(self._state, listener).table())
        app.add_routes(GraphRoutes(self._state).table())
        await runner.setup()
        try:
            self._port = await listener.open(self._host, self._port)
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self._listener = runner, listener
        await self._state.delivery.open()

    async def stop(self) -> None:
        """Stop listening, end calls under way, give up pending webhooks; takes under a second."""
        if self._listener is not None:
            await self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._state.delivery.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        """`http://host:port`, for `GRAPH_BASE_URL`; known once started."""
        host = "127.0.0.1" if self._host in {"0.0.0.0", "::", ""} else self._host  # noqa: S104
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def settings(self) -> Settings:
        """The knobs themselves, among them `webhook_url` and `app_secret`."""
        return self._state.settings

    @property
    def journal(self) -> Journal:
        """What arrived, and what became of it."""
        return self._state.journal

    @property
    def faults(self) -> Faults:
        """The rules in force."""
        return self._state.faults

    @property
    def webhooks(self) -> Counters:
        """Counters of deliveries."""
        return self._state.delivery.counters

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the rules in force by `rules`, written as for `POST /_sim/faults`.

        Raises `msgspec.ValidationError` for a rule that makes no sense.
        """
        self.faults.replace(*read_rules(list(rules)))

    async def refuse(self, seconds: float) -> None:
        """From now on, for so many seconds, nobody answers: see `refusing`. Returns at once."""
        await self._started_listener.refuse_for(seconds)

    def refusing(self) -> AbstractAsyncContextManager[None]:
        """Inside the block connections are refused, and idle ones are closed.

        Calls under way end as they would have. One that is written on an idle connection while
        that is closed may be lost without a trace in the journal, as on a real network.
        """
        return self._started_listener.refusing()

    @property
    def _started_listener(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the simulator does not listen yet; start it first")
        return self._listener

    async def inbound(self, order: dict[str, Any]) -> dict[str, Any]:
        """Play a customer: body and answer of `POST /_sim/inbound`.

        Raises `msgspec.ValidationError` or `ValueError` for an order that makes no sense.
        """
        return await deliver(msgspec.convert(order, InboundOrder), self._state)


async def run(simulator: Simulator, *, until: asyncio.Event) -> None:
    """Start `simulator`, say so on standard output, and stop it when `until` is set."""
    async with simulator:
        print(f"graphsim is ready on {simulator.base_url}", flush=True)  # noqa: T201
        await until.wait()
