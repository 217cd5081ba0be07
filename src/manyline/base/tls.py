"""Whom to believe when a server says by certificate who it is."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Verifies certificates and the host names in them; some 30 ms of CPU, so make one and keep it.

    `ca_file`: authorities (PEM) to believe instead of the system's, and no others.
    Raises `ValueError`, fit to follow the name of a setting, when the file is of no use.
    """
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError:
        raise ValueError(
            "names a file in which there is no certificate; it must hold those of the authorities"
            " in PEM, that is with lines -----BEGIN CERTIFICATE-----"
        ) from None
    except OSError as error:
        raise ValueError(
            f"names a file that cannot be read ({error.strerror or type(error).__name__}); correct"
            " the path, or let this user read it"
        ) from None
