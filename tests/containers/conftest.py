"""The files as Docker reads them, and Node's programs for those services that are Node's."""

from pathlib import Path

import pytest

from tests.containers.compose_file import ROOT, ComposeFile
from tests.strangers.node_packages import installed, need_node

SECRETS = {
    "APP_SECRET": "an-app-secret",
    "VERIFY_TOKEN": "a-verify-token",
    "MASTER_KEY": "ab" * 32,
    "ADMIN_API_KEY": "an-admin-key",
    "MONGO_ROOT_PASSWORD": "a-root-password",
    "MONGO_PASSWORD": "a-user-password",
    "REDIS_PASSWORD": "a-redis-password",
}


@pytest.fixture(scope="session")
def development() -> ComposeFile:
    """compose.yaml where there is no .env."""
    return ComposeFile("compose.yaml")


@pytest.fixture(scope="session")
def production() -> ComposeFile:
    """compose.prod.yaml with every secret that it asks for."""
    return ComposeFile("compose.prod.yaml", SECRETS)


@pytest.fixture(scope="session")
def secrets() -> dict[str, str]:
    return SECRETS


@pytest.fixture(scope="session")
def node_home(request: pytest.FixtureRequest) -> Path:
    """Where mongosh and mongo-express are installed."""
    need_node()
    return installed(ROOT / "tests/strangers/node", request.config.cache.mkdir("node"))


@pytest.fixture(scope="session")
def board_home(request: pytest.FixtureRequest) -> Path:
    """Where bull-board is installed, our server for it beside it."""
    need_node()
    return installed(ROOT / "docker/bull-board", request.config.cache.mkdir("node"))
