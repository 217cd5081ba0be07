"""Messages that wait already: put into the store as the outbox keeps them, past the API."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from manyline.messages.documents import outbound_document
from manyline.messages.models import NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta.payloads import text_content
from tests.e2e.proof.stage import Line, Stage

# The relay takes them for forgotten at once, and wakes their number.
WAITED = timedelta(seconds=20)
AT_ONCE = 2000


async def put(stage: Stage, line: Line, count: int) -> None:
    """So many messages of a line, each to somebody else."""
    since = datetime.now(UTC) - WAITED
    async with stage.mongo() as client:
        messages = MessageRepository(client.get_default_database())
        for start in range(0, count, AT_ONCE):
            places = range(start, min(start + AT_ONCE, count))
            made = [_message(line, place, since) for place in places]
            inserted = await messages.insert([outbound_document(one) for one in made])
            assert all(one.new for one in inserted)


def _message(line: Line, place: int, since: datetime) -> NewOutbound:
    body = f"offer {place}"
    return NewOutbound(
        id=ObjectId(),
        tenant_id=ObjectId(line.tenant_id),
        conversation_id=ObjectId(),
        phone_number_id=line.number,
        recipient=f"+{918_000_000_000 + place}",
        type="text",
        body=body,
        content=text_content(body),
        source="api",
        idempotency_key=f"offer-{place}",
        created_at=since,
    )
