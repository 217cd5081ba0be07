"""Where the API is reached from this machine."""

import json

from manyline.base.errors import SettingsError
from manyline.infra.embedded.directory import DataDirectory
from manyline.settings import Settings

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked at, not bound to


def reach(host: str) -> str:
    """The host under which this machine reaches who listens on `host`."""
    return ANY_ADDRESS.get(host, host)


def url_of(host: str, port: int) -> str:
    """The URL, without a path, of who listens there."""
    name = reach(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def api_url(settings: Settings) -> str:
    """Where the API of these settings is; with `PORT=0`, where `manyline up` has put it.

    Raises `SettingsError` when that cannot be known.
    """
    port = settings.port or kept_ports(settings).get("api")
    if not port:
        raise SettingsError(
            "PORT is 0 and no `manyline up` has chosen one yet; say where the API is with --url or"
            " MANYLINE_URL"
        )
    return url_of(settings.host, port)


def kept_ports(settings: Settings) -> dict[str, int]:
    """The ports that `manyline up` has chosen in the data directory, by role."""
    file = DataDirectory(settings.data_dir.expanduser().absolute()).ports_file
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(role): int(port) for role, port in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
