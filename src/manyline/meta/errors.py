"""Errors that Graph answers with, as records.

Key on `code`, never on the HTTP status: Meta reuses statuses across unlike errors. What a code
means is in `catalogue`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphError:
    """One error of the Cloud API, cut to what we keep with a message."""

    status: int
    """HTTP status of the answer."""
    code: int
    title: str
    details: str | None = None
    fbtrace_id: str | None = None
    is_transient: bool = False
    """Graph itself says that the same call may succeed later."""
    error_subcode: int | None = None


def graph_error(status: int, error: object, *, token: str | None = None) -> GraphError | None:
    """The Graph error in an answer's `error` member; None when it holds none.

    `token`: what the call was made with. Graph quotes it ("Malformed access token …"), and an
    error is kept, shown and logged.
    """
    if not isinstance(error, dict):
        return None
    code = _number(error.get("code"))
    if code is None:
        return None
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    return GraphError(
        status=status,
        code=code,
        title=_short(error.get("message"), token) or f"error {code}",
        details=_short(details, token),
        fbtrace_id=_short(error.get("fbtrace_id")),
        is_transient=error.get("is_transient") is True,
        error_subcode=_number(error.get("error_subcode")),
    )


def _number(value: object) -> int | None:
    """A code as any store takes it, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        return None
    return value


def _short(text: object, token: str | None = None) -> str | None:
    """A text as any store takes it: cut, and without the token and what has no UTF-8 form."""
    if not isinstance(text, str) or not text:
        return None
    if token:
        text = text.replace(token, "(the token)")
    return text[:500].encode("utf-8", "replace").decode()
