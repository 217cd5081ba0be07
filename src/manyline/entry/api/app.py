"""The HTTP application: routes over a runtime, layers around them."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from manyline.entry.api import problems
from manyline.entry.api.layers import BoundedBody, OperatorDoor, RequestContext
from manyline.entry.api.routes.health import health_routes
from manyline.entry.api.routes.messages import message_routes
from manyline.entry.api.routes.tenants import tenant_routes
from manyline.entry.api.routes.webhook import webhook_routes
from manyline.runtime import ApiRuntime

DESCRIPTION = (
    "Many businesses, each with its own WhatsApp line, one backend. Meta's webhook is"
    " `/whatsapp/webhook`; errors are RFC 9457 problems."
)


def build_app(runtime: ApiRuntime) -> ASGIApp:
    """The whole application, as ASGI."""
    foundation = runtime.foundation
    settings = foundation.settings
    app = FastAPI(title="Manyline", description=DESCRIPTION, version="0.1.0")
    problems.install(app)
    verify_token = settings.verify_token
    # First in the table, since every route before it would be tried for every webhook.
    app.router.routes[:0] = webhook_routes(
        runtime.receiver,
        verify_token=verify_token.get_secret_value() if verify_token else None,
    )
    app.include_router(health_routes(foundation))
    app.include_router(tenant_routes(foundation.tenants, foundation.directory, foundation.wakes))
    app.include_router(message_routes(runtime.acceptor, runtime.messages, foundation.directory))
    key = settings.admin_api_key
    inner = BoundedBody(app)
    door = OperatorDoor(inner, admin_api_key=key.get_secret_value() if key else None)
    return RequestContext(door, metrics=runtime.http_metrics)
