"""What `up` will run, decided before anything is started: addresses, and each child's command."""

import os
import secrets
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from manyline.base.errors import SettingsError
from manyline.entry.cli.address import reach, url_of
from manyline.infra.embedded.child import Command
from manyline.infra.embedded.directory import DataDirectory, write_private
from manyline.infra.embedded.ports import LOOPBACK, KeptPorts, is_free
from manyline.settings import Settings

SIMULATOR_PORT = 4000
SECRET_FILE = "simulator.app-secret"  # noqa: S105 - a file's name


@dataclass(frozen=True)
class Plan:
    """`environment` holds only what differs from `up`'s own; it is added to that."""

    directory: DataDirectory
    host: str
    port: int
    simulator_port: int | None
    made_secret: bool
    environment: Mapping[str, str] = field(repr=False)
    simulator_environment: Mapping[str, str] = field(repr=False)
    reload: bool = False

    @property
    def reach(self) -> str:
        """The host under which this machine reaches the API."""
        return reach(self.host)

    @property
    def url(self) -> str:
        """The API's, without a path."""
        return url_of(self.host, self.port)

    @property
    def simulator_url(self) -> str:
        """The simulator's; it listens on loopback only."""
        return f"http://{LOOPBACK}:{self.simulator_port}"

    def part(self, role: str) -> Command:
        """`manyline api` or `manyline worker`."""
        argv = (sys.executable, "-m", "manyline", role, *(("--reload",) if self.reload else ()))
        return self._command(role, argv, self.environment)

    def simulator(self) -> Command:
        """The stand-in for Meta; its secrets go by the environment, which `ps` does not show."""
        argv = (
            simulator_program(),
            *("--host", LOOPBACK, "--port", str(self.simulator_port)),
            *("--webhook-url", f"{self.url}/whatsapp/webhook"),
        )
        return self._command("simulator", argv, self.simulator_environment)

    def _command(self, role: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> Command:
        whole = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        return Command(role, argv, whole, self.directory.log_of(role))


def simulator_program() -> str:
    """The other package's console script: the two are strangers and never import each other."""
    return str(Path(sysconfig.get_path("scripts"), "graphsim"))


def make_plan(
    settings: Settings,
    directory: DataDirectory,
    ports: KeptPorts,
    *,
    with_simulator: bool,
    stores: Mapping[str, str],
    reload: bool = False,
) -> Plan:
    """Choose ports and secrets; `stores` says in the settings' names where our own stores are.

    Raises `SettingsError` when the API cannot listen where it should.
    """
    port = _api_port(settings, ports)
    simulator_port = ports.claim("simulator", prefer=SIMULATOR_PORT) if with_simulator else None
    environment = {"PORT": str(port), "MANYLINE_DATA_DIR": str(directory.root), **stores}
    simulator_environment = {}
    made_secret = with_simulator and not settings.app_secret
    if with_simulator:
        app_secrets = [one.get_secret_value() for one in settings.app_secret]
        app_secrets = app_secrets or [_kept_secret(directory)]
        environment |= {
            "APP_SECRET": ",".join(app_secrets),
            "GRAPH_BASE_URL": f"http://{LOOPBACK}:{simulator_port}",
        }
        # It signs with the one that our own calls are proven with.
        simulator_environment["GRAPHSIM_APP_SECRET"] = app_secrets[0]
        if settings.verify_token:
            token = settings.verify_token.get_secret_value()
            simulator_environment["GRAPHSIM_VERIFY_TOKEN"] = token
    return Plan(
        directory=directory,
        host=settings.host,
        port=port,
        simulator_port=simulator_port,
        made_secret=made_secret,
        environment=environment,
        simulator_environment=simulator_environment,
        reload=reload,
    )


def _api_port(settings: Settings, ports: KeptPorts) -> int:
    if settings.port == 0:
        return ports.claim("api")
    try:
        free = is_free(settings.port, settings.host)
    except OSError as error:
        raise SettingsError(
            f"the API cannot listen on {settings.host}:{settings.port}"
            f" ({error.strerror or error}); set HOST and PORT to an address of this machine"
        ) from None
    if not free:
        raise SettingsError(
            f"port {settings.port} is taken by another program; stop that one, or choose another"
            " port: PORT=3001, or PORT=0 for any free one"
        )
    return settings.port


def _kept_secret(directory: DataDirectory) -> str:
    """The app secret that simulator and API share when none is set: made once, mode 0600."""
    file = directory.root / SECRET_FILE
    kept = file.read_text(encoding="ascii").strip() if file.exists() else ""
    if not kept:
        kept = secrets.token_hex(32)
        write_private(file, f"{kept}\n")
    return kept
