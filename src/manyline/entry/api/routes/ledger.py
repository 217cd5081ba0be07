"""`/webhooks/replay`: what came from Meta, applied again. For the operator, over all tenants."""

from fastapi import APIRouter

from manyline.entry.api.given_ledger import ReplayGiven
from manyline.entry.api.shown_ledger import WebhooksReplayedShown, show_replayed
from manyline.inbound.ledger.models import Wanted
from manyline.inbound.ledger.replaying import Replayer
from manyline.tenants.directory import TenantDirectory


def ledger_routes(replayer: Replayer, directory: TenantDirectory) -> APIRouter:
    """The route of the ledger."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    @router.post("/replay")
    async def replay_webhooks(given: ReplayGiven) -> WebhooksReplayedShown:
        """Apply the webhooks of some time again, a page a call; repeating it changes nothing.

        Nothing is stored twice and no message is answered twice. `dryRun` only counts. Give
        `nextCursor` and `until` of the answer, and all else as before, to go on.
        """
        if given.tenant_id is not None:
            await directory.by_id(given.tenant_id)
        until = given.until or replayer.now()
        wanted = Wanted(since=given.since, until=until, tenant_id=given.tenant_id)
        done = await replayer.replay(wanted, cursor=given.cursor, dry_run=given.dry_run)
        return show_replayed(done, until)

    return router
