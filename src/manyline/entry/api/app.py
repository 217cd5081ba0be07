"""The HTTP application: routes over a runtime, layers around them."""

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp

from manyline.entry.api import problems
from manyline.entry.api.layers import BoundedBody, OperatorDoor, RequestContext
from manyline.entry.api.notes import RequestNotes
from manyline.entry.api.routes.accounts import account_routes
from manyline.entry.api.routes.conversations import conversation_routes
from manyline.entry.api.routes.customers import customer_routes
from manyline.entry.api.routes.dead_letters import dead_letter_routes
from manyline.entry.api.routes.events import event_routes
from manyline.entry.api.routes.health import health_routes
from manyline.entry.api.routes.ledger import ledger_routes
from manyline.entry.api.routes.messages import message_routes
from manyline.entry.api.routes.quarantine import quarantine_routes
from manyline.entry.api.routes.tenants import tenant_routes
from manyline.entry.api.routes.webhook import WebhookDoor, WebhookTaker
from manyline.runtime.api import ApiRuntime

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
    app.include_router(health_routes(foundation))
    app.include_router(
        tenant_routes(foundation.tenants, runtime.changer, foundation.directory, foundation.wakes)
    )
    app.include_router(
        message_routes(
            runtime.acceptor,
            runtime.messages,
            runtime.contexts,
            foundation.directory,
            foundation.clock,
        )
    )
    app.include_router(
        dead_letter_routes(
            runtime.replays, runtime.messages, foundation.directory, foundation.clock
        )
    )
    app.include_router(
        conversation_routes(
            conversations=runtime.conversations,
            customers=runtime.customers,
            messages=runtime.messages,
            contexts=runtime.contexts,
            directory=foundation.directory,
            clock=foundation.clock,
        )
    )
    app.include_router(account_routes(runtime.account_events, foundation.directory))
    app.include_router(customer_routes(runtime.customers, foundation.directory))
    app.include_router(event_routes(runtime.events, foundation.directory))
    app.include_router(ledger_routes(runtime.replayer, foundation.directory))
    app.include_router(quarantine_routes(runtime.quarantine, runtime.quarantine_retry))
    webhook = WebhookDoor(
        app, taker=WebhookTaker(runtime.receiver), verify_token=_plain(settings.verify_token)
    )
    door = OperatorDoor(BoundedBody(webhook), admin_api_key=_plain(settings.admin_api_key))
    return RequestContext(door, notes=RequestNotes(runtime.http_metrics))


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
