"""What several commands share: options, and the client that they make."""

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from manyline.base.errors import ManylineError
from manyline.settings import load_settings

if TYPE_CHECKING:
    from manyline.entry.cli.client import ApiClient

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="MANYLINE_URL", help="The API; by default the one of HOST and PORT here."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the API's JSON, for a program to read.")
]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many at the most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on from the end of the page before.")
]
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT_ID", show_default=False)]


class NotAnIdError(ManylineError):
    """Nothing could be called so."""

    code = "not_an_id"


def path(*segments: str) -> str:
    """A path of the API; what a person gave as an id stays one segment, whatever is in it.

    Raises `NotAnIdError` for a slash: servers take %2F for one that separates.
    """
    for one in segments:
        if "/" in one:
            raise NotAnIdError(f"{one!r} is no id: there is no slash in one")
    return "".join(f"/{quote(one, safe='')}" for one in segments)


def client(url: str | None, *, seconds: float | None = None) -> "ApiClient":
    """For the API at `url`, or the one of this machine's settings; raises `SettingsError`.

    `seconds`: how long an answer may take, where that is longer than usual.
    """
    # Here, since api and worker load this module too, and `http` and `ssl` for nothing.
    from manyline.entry.cli.address import api_url  # noqa: PLC0415
    from manyline.entry.cli.client import SECONDS, ApiClient  # noqa: PLC0415

    settings = load_settings()
    key = settings.admin_api_key
    plain = key.get_secret_value() if key else None
    return ApiClient(url or api_url(settings), key=plain, seconds=seconds or SECONDS)
