"""`health.py [PORT [PATH]]`: exit 0 when this machine's own port answers 200, else 1 and say why.

For the images' health checks, where there is no curl. By default it asks the API, whose port is
the setting PORT. `http.client` and not `urllib`: that would go through the proxy of HTTP_PROXY.
"""

import http.client
import os
import sys

TIMEOUT_SECONDS = 3.0


def main(arguments: list[str]) -> int:
    """Ask once."""
    port = int(arguments[0] if arguments else os.environ.get("PORT") or 3000)
    path = arguments[1] if len(arguments) > 1 else "/health"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"no answer from port {port}: {type(error).__name__}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"port {port} answered {status} to {path}\n")
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
