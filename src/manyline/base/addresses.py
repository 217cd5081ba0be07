"""Hosts and ports as people write them into settings."""

import ipaddress
import re
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as far as one can tell without asking a name service."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_host(url: str) -> bool:
    """Whether a host and, where one is given, a port can be read out of a URL."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_plain_host(text: str) -> bool:
    """A host name or an IP address, alone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", text) is not None
    return True


def host_and_port(text: str, *, default_port: int) -> tuple[str, int]:
    """`host`, `host:port` or `[IPv6]:port`; `ValueError`, which does not quote it, otherwise."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname or "", default_port if parts.port is None else parts.port
    except ValueError:
        host, port = "", 0
    if not is_plain_host(host) or not port or "@" in text or parts.path or parts.query:
        raise ValueError("must be a host, or host:port, without scheme, user or path")
    return host, port
