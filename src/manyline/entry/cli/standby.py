"""A Python that has the libraries loaded already and waits for a word to become api or worker.

They take about four fifths of the second that a start takes, and do not change with our source.
Nothing of ours is imported before the word comes, so what runs then is the source as it is then.
A library that is missing in the list only makes the start a little slower.
"""

import importlib
import signal
import sys
from contextlib import suppress

LIBRARIES = (
    *("aiohappyeyeballs", "bullmq", "cryptography.hazmat.primitives.ciphers.aead", "fastapi"),
    *("msgspec", "phonenumbers", "prometheus_client", "pydantic_settings", "pymongo"),
    *(
        "redis.asyncio",
        "structlog",
        "typer",
        "uvicorn",
        "uvicorn.protocols.http.httptools_impl",
        "uvloop",
    ),
)


def main() -> None:
    """Wait for a line on standard input; an end without one says that nobody needs us."""
    # Ctrl-C reaches the whole group; the one that is running answers to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    if not sys.stdin.buffer.readline():
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[0] = "manyline"
    from manyline.entry.cli.main import app  # noqa: PLC0415

    app()


if __name__ == "__main__":
    main()
