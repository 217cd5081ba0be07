"""Asking Graph whether a new token opens a tenant's number, before it takes the old one's place."""

from typing import Protocol

from manyline.meta.catalogue import TENANT_TROUBLE, ErrorClass, row_of_error
from manyline.meta.errors import GraphError
from manyline.meta.graph import (
    Credentials,
    NotSent,
    NumberAnswer,
    NumberSeen,
    Refused,
    Unknown,
    credentials,
)
from manyline.meta.simulated import is_mock_token
from manyline.tenants.models import (
    GraphUnreachableError,
    MockTokenRefusedError,
    TokenRefusedError,
)

# These judge the request; any other class says that Graph could not judge it just now.
VERDICTS = TENANT_TROUBLE | {ErrorClass.CONTENT, ErrorClass.RECIPIENT}
# What the catalogue says of those other two is about messages.
OTHER_NUMBER = (
    "It does not show this tenant's number under the token. Make one for the business that owns the"
    " number, with the permissions whatsapp_business_management and whatsapp_business_messaging;"
    " where Graph speaks of a proof, the app secret is not that of the token's app."
)


class NumberReader(Protocol):
    """The one call to Graph that a check makes."""

    async def read_number(self, *, phone_number_id: str, credentials: Credentials) -> NumberAnswer:
        """What Graph shows of a number under a token; raises nothing but cancellation."""
        ...


class TokenCheck:
    """One call to Graph for one token; `app_secret` is the platform's own, if there is one."""

    def __init__(self, *, graph: NumberReader, app_secret: str | None) -> None:
        self._graph = graph
        self._app_secret = app_secret

    async def check(
        self, access_token: str, *, phone_number_id: str, app_secret: str | None
    ) -> NumberSeen:
        """What Graph shows of the number; `app_secret` is the tenant's own, if it has one.

        Raises `TokenRefusedError`, and `GraphUnreachableError` where nobody knows.
        """
        seen = await self._graph.read_number(
            phone_number_id=phone_number_id,
            credentials=credentials(access_token, app_secret or self._app_secret),
        )
        match seen:
            case NumberSeen():
                return seen
            case Refused(error=error) if _class_of(error) in VERDICTS:
                raise _refused(error, access_token)
            case Refused(error=error):
                reason = f"error {error.code}: {_without(access_token, error.title)}"
            case NotSent(reason=reason) | Unknown(reason=reason):
                pass
        raise GraphUnreachableError(
            f"the new token could not be checked, since Graph did not answer usably ({reason});"
            " nothing was changed, try again in a moment"
        )


def refuse_mock_token(token: str, *, allowed: bool) -> None:
    """Raise `MockTokenRefusedError` for a token of a simulated tenant where those are refused."""
    if is_mock_token(token) and not allowed:
        raise MockTokenRefusedError(
            "a token that begins with mock_ is refused in production: its messages would be"
            " called sent though they never left; register with a real token"
        )


def _class_of(error: GraphError) -> ErrorClass:
    return row_of_error(error).error_class


def _refused(error: GraphError, access_token: str) -> TokenRefusedError:
    row = row_of_error(error)
    words = f"{row.meaning} {row.fix}" if row.error_class in TENANT_TROUBLE else OTHER_NUMBER
    said = "; ".join(part for part in (error.title, error.details) if part)
    return TokenRefusedError(
        f"accessToken: Graph refused it with error {error.code}. {words} Graph's own words:"
        f" {_without(access_token, said)}. Nothing was changed",
        graph_code=error.code,
        fbtrace_id=error.fbtrace_id,
    )


def _without(access_token: str, said: str) -> str:
    """Graph may quote the token that it was given."""
    return said.replace(access_token, "(the token)").rstrip(".")
