"""Graph's errors: which HTTP status and title belong to a code, and the body they make.

Meta asks callers to act on `code`, so the status is only what usually comes along. The whole
catalogue belongs in `GRAPH_ERRORS`; a code that is not there yet answers 400 with a plain title.
Source: the Cloud API's "Error codes" page and Graph's "Handle errors" page.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from graphsim.identifiers import new_fbtrace_id


class GraphErrorRow(NamedTuple):
    """One row of the catalogue."""

    http_status: int
    title: str


GRAPH_ERRORS: dict[int, GraphErrorRow] = {
    0: GraphErrorRow(401, "AuthException"),
    1: GraphErrorRow(400, "API Unknown"),
    2: GraphErrorRow(503, "API Service"),
    4: GraphErrorRow(429, "Application request limit reached"),
    10: GraphErrorRow(403, "Permission Denied"),
    33: GraphErrorRow(400, "Parameter value is not valid"),
    100: GraphErrorRow(400, "Invalid parameter"),
    190: GraphErrorRow(401, "Invalid OAuth access token"),
    368: GraphErrorRow(403, "Temporarily blocked for policies violations"),
    2500: GraphErrorRow(400, "Unknown path components"),
    80007: GraphErrorRow(429, "Rate limit issues"),
    130429: GraphErrorRow(429, "Rate limit hit"),
    131000: GraphErrorRow(500, "Something went wrong"),
    131008: GraphErrorRow(400, "Required parameter is missing"),
    131009: GraphErrorRow(400, "Parameter value is not valid"),
    131016: GraphErrorRow(500, "Service unavailable"),
    131026: GraphErrorRow(400, "Message undeliverable"),
    131047: GraphErrorRow(400, "Re-engagement message"),
    131051: GraphErrorRow(400, "Unsupported message type"),
    131056: GraphErrorRow(429, "(Business Account, Consumer Account) pair rate limit hit"),
}
_UNLISTED = GraphErrorRow(400, "Error")


@dataclass(frozen=True, slots=True)
class GraphError:
    """A refusal as Graph words it; a value that is answered, not an exception."""

    code: int
    details: str
    http_status: int
    title: str

    def body(self) -> dict[str, Any]:
        """Meta's error object; `fbtrace_id` is new each time."""
        return {
            "error": {
                "message": f"(#{self.code}) {self.title}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details},
                "fbtrace_id": new_fbtrace_id(),
            }
        }


def graph_error(
    code: int, details: str, *, http_status: int | None = None, title: str | None = None
) -> GraphError:
    """The error of `code`; `http_status` and `title` override the catalogue's."""
    row = GRAPH_ERRORS.get(code, _UNLISTED)
    return GraphError(
        code=code,
        details=details,
        http_status=row.http_status if http_status is None else http_status,
        title=row.title if title is None else title,
    )
