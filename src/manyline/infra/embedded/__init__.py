"""Real servers without an installation: a private mongod and a private Valkey from wheels.

`EmbeddedServers` (servers.py) is what tests and benchmarks use; `manyline up` puts the same parts
together with its own children and a supervisor. Linux: process identity comes from /proc.
"""

from manyline.infra.embedded.errors import EmbeddedError
from manyline.infra.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedError", "EmbeddedServers"]
