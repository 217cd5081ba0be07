"""Repositories on a database of their own, with a clock that stands still."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bson import ObjectId
from redis import Redis

from manyline.infra.embedded import EmbeddedServers
from manyline.messages.documents import outbound_document
from manyline.messages.models import NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta.payloads import text_content
from manyline.sending.repository import OutboxRepository
from manyline.sending.stuck import StuckRepository
from tests.integration.store.profiled import Run, one_run

Insert = Callable[..., Awaitable[NewOutbound]]


@pytest.fixture
async def messages(mongo: Any) -> MessageRepository:
    repository = MessageRepository(mongo.database)
    await repository.ensure_indexes()
    return repository


@pytest.fixture
def outbox(mongo: Any, messages: MessageRepository) -> OutboxRepository:
    return OutboxRepository(mongo.database)


@pytest.fixture
def stuck(mongo: Any, messages: MessageRepository) -> StuckRepository:
    return StuckRepository(mongo.database)


@pytest.fixture
def insert(messages: MessageRepository, clock: Any) -> Insert:
    """Puts a message into the outbox; by default each to a conversation of its own."""
    made = 0

    async def one(tenant_id: ObjectId, **changes: Any) -> NewOutbound:
        nonlocal made
        made += 1
        values: dict[str, Any] = {
            "id": ObjectId(),
            "tenant_id": tenant_id,
            "conversation_id": ObjectId(),
            "phone_number_id": "111",
            "recipient": "+919012345678",
            "type": "text",
            "body": "hello",
            "content": text_content("hello"),
            "source": "api",
            "idempotency_key": f"key {made}",
            "created_at": clock.now(),
            **changes,
        }
        message = NewOutbound(**values)
        [outcome] = await messages.insert([outbound_document(message)])
        assert outcome.new
        return message

    return one


@pytest.fixture(scope="session")
def run(servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything that the product asks of MongoDB; made once, since it takes its time."""
    with Redis(servers.redis_host, servers.redis_port) as redis:
        redis.flushall()
    return asyncio.run(one_run(servers, tmp_path_factory.mktemp("run")))
