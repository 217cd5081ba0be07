"""Where the stores are: those that settings name, or those that `manyline up` runs."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from manyline.entry.cli.address import kept_ports
from manyline.entry.cli.plan import SECRET_FILE
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.mongod import DATABASE, SET_NAME
from manyline.infra.embedded.ports import LOOPBACK
from manyline.infra.embedded.records import ProcessRecords
from manyline.settings import Settings


def with_embedded_stores(settings: Settings) -> Settings:
    """The settings as the processes of a running `manyline up` on this data directory have them."""
    directory = DataDirectory(settings.data_dir.expanduser().absolute())
    records = ProcessRecords(directory.processes_file).read()
    running = {record.role for record in records if record.is_running()}
    ports = kept_ports(settings)
    found: dict[str, Any] = {}
    if settings.mongo_uri is None and "mongod" in running & ports.keys():
        uri = f"mongodb://{LOOPBACK}:{ports['mongod']}/{DATABASE}?replicaSet={SET_NAME}"
        found["mongo_uri"] = SecretStr(uri)
    if not settings.names_redis and "valkey" in running & ports.keys():
        found |= {"redis_host": LOOPBACK, "redis_port": ports["valkey"]}
    if "simulator" in running and "simulator" in ports:
        found["graph_base_url"] = f"http://{LOOPBACK}:{ports['simulator']}"
        if not settings.app_secret:
            found |= _shared_secret(directory.root / SECRET_FILE)
    return settings.model_copy(update=found)


def _shared_secret(file: Path) -> dict[str, Any]:
    try:
        secret = file.read_text(encoding="ascii").strip()
    except OSError:
        return {}
    return {"app_secret": (SecretStr(secret),)} if secret else {}
