"""Graph's errors: which HTTP status and title belong to a code, and the body they make.

Meta asks callers to act on `code`, so the status is only what usually comes along: its own tables
have said both 400 and 429 for the limits, and here both occur. Sources: the Cloud API's "Error
codes" page, Graph's "Handle errors" and "Secure Graph API calls" pages. Titles are Meta's, details
say the same in other words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphsim.identifiers import new_fbtrace_id

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
"""What an error inside a `failed` status points to."""


class GraphErrorRow(NamedTuple):
    """One row of the catalogue."""

    http_status: int
    title: str
    details: str
    is_transient: bool = False
    """Graph says so only of errors that go away by themselves within moments."""


_ROW = GraphErrorRow
_PERMISSION = "The permission was never granted, or it has been taken away."
_AUTHORIZATION = {
    0: _ROW(401, "AuthException", "The app's user could not be authenticated."),
    3: _ROW(500, "API Method", "A capability or a permission is missing."),
    10: _ROW(403, "Permission Denied", _PERMISSION),
    190: _ROW(401, "Access token has expired", "The access token has expired."),
    **{code: _ROW(403, "API Permission", _PERMISSION) for code in range(200, 300)},
    131005: _ROW(403, "Access denied", _PERMISSION),
}
_SERVICE = {
    1: _ROW(400, "API Unknown", "The request is invalid, or the server has failed."),
    2: _ROW(503, "API Service", "The service is down or overloaded for the moment.", True),
    131000: _ROW(500, "Something went wrong", "The message failed for a reason unknown."),
    131016: _ROW(500, "Service unavailable", "A service is not available for the moment.", True),
    131057: _ROW(500, "Account in maintenance mode", "The account is being maintained."),
    133004: _ROW(503, "Server Temporarily Unavailable", "The server is not available now.", True),
    135000: _ROW(400, "Generic user error", "Something is wrong with the request's parameters."),
}
_THROTTLING = {
    4: _ROW(429, "Application request limit reached", "The app has made too many calls.", True),
    80007: _ROW(429, "Rate limit issues", "The business account has reached its rate limit."),
    130429: _ROW(429, "Rate limit hit", "Cloud API message throughput has been reached."),
    131048: _ROW(
        400, "Spam rate limit hit", "This number may send fewer messages: too many were blocked."
    ),
    131049: _ROW(400, "Meta chose not to deliver", "Not delivered, to keep the ecosystem healthy."),
    131056: _ROW(
        400,
        "(Business Account, Consumer Account) pair rate limit hit",
        "Too many messages from this number to the same recipient within a short time.",
    ),
    131064: _ROW(
        400,
        "Messaging limit reached due to template classification violations",
        "The account may send fewer messages because of how its templates were classified.",
    ),
    132069: _ROW(400, "Flow is in throttled state", "The flow may send no more this hour."),
    133008: _ROW(400, "Too Many two step verification PIN Guesses", "Too many wrong PINs."),
    133009: _ROW(400, "Two step verification PIN Guessed Too Fast", "The PIN came too soon."),
    133015: _ROW(
        400,
        "Please wait a few minutes before attempting to register this phone number",
        "The number was deleted a moment ago and is not gone yet.",
    ),
    133016: _ROW(
        400,
        "Account register deregister rate limit exceeded",
        "The number was registered or deregistered too often within 72 hours.",
    ),
    134101: _ROW(400, "Template syncing", "The template is not there yet; it takes ten minutes."),
}
_RECIPIENT = {
    130403: _ROW(400, "User is blocked", "The business has blocked this user, or the reverse."),
    130472: _ROW(400, "User's number is part of an experiment", "An experiment withheld it."),
    130497: _ROW(
        403,
        "Business account is restricted from messaging users in this country.",
        "The account may not write to users in this country.",
    ),
    131021: _ROW(400, "Recipient cannot be sender", "Sender and recipient are the same number."),
    131026: _ROW(
        400,
        "Message undeliverable",
        "Not on WhatsApp, on too old a version, or the terms were not accepted.",
    ),
    131030: _ROW(
        400, "Recipient phone number not in allowed list", "A test number writes only to its list."
    ),
    131047: _ROW(
        400,
        "Re-engagement message",
        "More than 24 hours have passed since the recipient last wrote to this number.",
    ),
    131050: _ROW(
        400,
        "User has stopped marketing messages",
        "The recipient has chosen to get no marketing messages from this business.",
    ),
    131062: _ROW(
        400,
        "Business-scoped User ID (BSUID) recipients are not supported for this message",
        "This message needs the recipient's phone number.",
    ),
}
_CONTENT = {
    100: _ROW(400, "Invalid parameter", "A parameter is not supported, or misspelled."),
    131008: _ROW(400, "Required parameter is missing", "A required parameter is missing."),
    131009: _ROW(400, "Parameter value is not valid", "A parameter's value is not valid."),
    131051: _ROW(400, "Unsupported message type", "This type of message is not supported."),
    131052: _ROW(400, "Media download error", "The media could not be downloaded."),
    131053: _ROW(400, "Media upload error", "The media could not be uploaded."),
    131055: _ROW(400, "Method not allowed", "This endpoint does not take templates like this one."),
    131063: _ROW(
        400,
        "Marketing templates disabled for Cloud API",
        "Marketing templates must go through the Marketing Messages API.",
    ),
    132000: _ROW(
        400, "Template Param Count Mismatch", "The template has another number of parameters."
    ),
    132001: _ROW(404, "Template does not exist", "No approved template of this name and language."),
    132005: _ROW(400, "Template Hydrated Text Too Long", "With its parameters it is too long."),
    132007: _ROW(400, "Template Format Character Policy Violated", "It violates a policy."),
    132012: _ROW(400, "Template Parameter Format Mismatch", "A parameter has the wrong format."),
    132015: _ROW(400, "Template is Paused", "Paused because of its low quality."),
    132016: _ROW(400, "Template is Disabled", "Disabled for good: paused too often."),
    132018: _ROW(400, "Template parameter error", "A parameter has line breaks or many spaces."),
    132068: _ROW(400, "Flow is in blocked state", "The flow is blocked."),
    134100: _ROW(400, "Only marketing messages supported", "The template is not for marketing."),
    134102: _ROW(400, "Template unavailable for use", "The template cannot be used here."),
}
_ACCOUNT = {
    368: _ROW(
        403,
        "Temporarily blocked for policies violations",
        "The account is restricted or disabled for violating a policy.",
    ),
    131031: _ROW(403, "Account has been locked", "The account is restricted or disabled."),
    131037: _ROW(
        400,
        "WhatsApp provided number needs display name approval before message can be sent.",
        "The number's display name is not approved.",
    ),
    131042: _ROW(400, "Business eligibility payment issue", "The means of payment does not work."),
    134011: _ROW(
        400,
        "WhatsApp Payments terms of service has not been accepted",
        "The terms of service for payments have not been accepted.",
    ),
}
_NUMBER = {
    33: _ROW(400, "Parameter value is not valid", "The business phone number has been deleted."),
    131045: _ROW(500, "Incorrect certificate", "The number's registration has failed."),
    133000: _ROW(500, "Incomplete Deregistration", "An earlier deregistration has failed."),
    133005: _ROW(400, "Two step verification PIN Mismatch", "The PIN is wrong."),
    133006: _ROW(400, "Phone number Re-verification Needed", "Verify the number first."),
    133010: _ROW(400, "Phone number Not Registered", "Register the number first."),
}
GRAPH_ERRORS: Mapping[int, GraphErrorRow] = {
    **_AUTHORIZATION,
    **_SERVICE,
    **_THROTTLING,
    **_RECIPIENT,
    **_CONTENT,
    **_ACCOUNT,
    **_NUMBER,
    2500: _ROW(400, "Unknown path components", "There is no such path."),
}
"""Every code a send can be refused with, or fail with afterwards, and 2500 for a wrong path."""
_UNLISTED = _ROW(400, "Error", "A code that is in no catalogue.")


@dataclass(frozen=True, slots=True)
class GraphError:
    """A refusal as Graph words it; a value that is answered, not an exception."""

    code: int
    details: str | None
    """None: the error comes from Graph itself, which knows no `error_data`."""
    http_status: int
    title: str
    message: str | None = None
    """By default `(#code) title`."""
    type: str = "OAuthException"
    is_transient: bool = False
    error_subcode: int | None = None

    def body(self) -> dict[str, Any]:
        """Meta's error object; `fbtrace_id` is new each time."""
        error: dict[str, Any] = {
            "message": self.message or f"(#{self.code}) {self.title}",
            "type": self.type,
            "code": self.code,
        }
        if self.is_transient:
            error["is_transient"] = True
        if self.error_subcode is not None:
            error["error_subcode"] = self.error_subcode
        if self.details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        error["fbtrace_id"] = new_fbtrace_id()
        return {"error": error}

    def in_status(self) -> dict[str, Any]:
        """The same inside the `errors` of a `failed` status."""
        row = {"code": self.code, "title": self.title, "message": self.title}
        return {**row, "error_data": {"details": self.details or self.title}, "href": HREF}


def graph_error(
    code: int,
    details: str | None = None,
    *,
    http_status: int | None = None,
    title: str | None = None,
    is_transient: bool | None = None,
    error_subcode: int | None = None,
) -> GraphError:
    """The error of `code`; whatever else is given overrides the catalogue."""
    row = GRAPH_ERRORS.get(code, _UNLISTED)
    return GraphError(
        code=code,
        details=row.details if details is None else details,
        http_status=row.http_status if http_status is None else http_status,
        title=row.title if title is None else title,
        is_transient=row.is_transient if is_transient is None else is_transient,
        error_subcode=error_subcode,
    )


def proof_error(message: str) -> GraphError:
    """A complaint about `appsecret_proof`: Graph's own words, without the Cloud API's details."""
    return GraphError(
        code=100,
        details=None,
        http_status=400,
        title="Invalid parameter",
        message=message,
        type="GraphMethodException",
    )
