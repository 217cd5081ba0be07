"""What only tests of sending need."""

import socket

import pytest


@pytest.fixture
def unused_port() -> int:
    """A port where nobody listens, and where a test may start to."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
