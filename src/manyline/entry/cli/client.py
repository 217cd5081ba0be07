"""Talking to the running API, one request at a time, with the standard library alone."""

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from manyline.base.errors import ManylineError, SettingsError

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Any HTTP answer; `body` is what its JSON says, None when it is none."""

    status: int
    body: Any


class NoAnswerError(ManylineError):
    """The API cannot be reached at all."""

    code = "no_answer"


class RefusedError(ManylineError):
    """The API answered, and the answer is no."""

    code = "refused"


class ApiClient:
    """Asks with the operator's key, where there is one."""

    def __init__(self, url: str, *, key: str | None, seconds: float = SECONDS) -> None:
        parts = _parts_of(url)
        # Without user and password, which are not used: it stands in what is printed.
        place = parts.netloc.rpartition("@")[2]
        self.url = f"{parts.scheme}://{place}{parts.path}".rstrip("/")
        self._parts = parts
        self._key = key
        self._seconds = seconds

    def get(self, path: str, **query: object) -> Any:
        """The JSON that is there; raises `NoAnswerError` and `RefusedError`."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._wanted("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(self, path: str, body: object) -> Any:
        """What the API answers to JSON; raises as `get`."""
        return self._wanted("POST", path, json.dumps(body).encode())

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Any answer at all; raises `NoAnswerError`."""
        if self._key is not None:
            headers.setdefault("Authorization", f"Bearer {self._key}")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection = self._connection()
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
            found = connection.getresponse()
            raw = found.read()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NoAnswerError(
                f"nobody answers at {self.url} ({_reason(error)}); start the API with `manyline"
                " up`, or say where it is with --url or MANYLINE_URL"
            ) from None
        finally:
            connection.close()
        return Answer(found.status, _json(raw))

    def _wanted(self, method: str, path: str, body: bytes | None) -> Any:
        return self.expect(self.call(method, path, body))

    def expect(self, answer: Answer) -> Any:
        """What a good answer says; raises `RefusedError` for any other."""
        if answer.status in (200, 201) and answer.body is not None:
            return answer.body
        if answer.status == 401:
            raise RefusedError(
                "the API wants the operator's key; set ADMIN_API_KEY to the one that it was started"
                " with"
            )
        raise RefusedError(_problem(answer))

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._seconds)


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises when it is no number from 0 to 65535.
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts
    except ValueError:
        pass
    # Whatever stands before an @ may be a password, even where the rest makes no sense.
    shown = re.sub(r"^([a-z][a-z0-9+.-]*://)?.*@", r"\1", url, flags=re.IGNORECASE | re.DOTALL)
    raise SettingsError(f"{shown!r} is no URL of an API; it looks like http://127.0.0.1:3000")


def _reason(error: Exception) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "no such host"
    if isinstance(error, TimeoutError):
        return "it took too long"
    return getattr(error, "strerror", None) or type(error).__name__


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _problem(answer: Answer) -> str:
    if isinstance(answer.body, dict) and "detail" in answer.body:
        return f"{answer.body['detail']} ({answer.body.get('code')}, HTTP {answer.status})"
    return f"HTTP {answer.status}, and no answer of this API; is the URL right?"
