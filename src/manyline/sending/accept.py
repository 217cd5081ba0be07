"""Accepting a message to send: checks, a durable insert, a wake-up, an answer.

Concurrent requests share their inserts (group commit), as webhooks do. The idempotency key is
unique per tenant in the store, so of any number of racers one inserts, and all get its answer.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from bson import ObjectId

from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.base.ids import new_token
from manyline.conversations.models import Turn
from manyline.conversations.repository import ConversationRepository
from manyline.customers.models import Sighting, identity_of
from manyline.customers.service import CustomerService, People
from manyline.messages.documents import outbound_document
from manyline.messages.models import AUTO_REPLY_PREFIX, Inserted, Message, NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta import phone
from manyline.meta.payloads import text_content
from manyline.sending.models import (
    BadRecipientError,
    IdempotencyConflictError,
    ReservedKeyError,
)
from manyline.sending.wakes import Wakes
from manyline.tenants.models import Tenant, TenantNotActiveError, TenantStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SendText:
    """A text message that a tenant's software asks for."""

    to: str
    text: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptedSend:
    """The answer: the message's id, and whether the key had been answered before."""

    message_id: ObjectId
    idempotency_key: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Order:
    """A checked request on its way into the store."""

    tenant: Tenant
    recipient: str
    text: str
    key: str
    request_hash: str


class Acceptor:
    """Takes sends; when `accept` returns, the message is durable in the outbox."""

    def __init__(
        self,
        *,
        customers: CustomerService,
        conversations: ConversationRepository,
        messages: MessageRepository,
        wakes: Wakes,
        clock: Clock,
    ) -> None:
        self._customers = customers
        self._conversations = conversations
        self._messages = messages
        self._wakes = wakes
        self._clock = clock
        self._group = GroupCommit[_Order, "ObjectId | None"](self._flush)

    async def accept(self, tenant: Tenant, send: SendText) -> AcceptedSend:
        """Put a message into the outbox, or find the one that this key put there before.

        Raises `TenantNotActiveError`, `BadRecipientError`, `ReservedKeyError`,
        `IdempotencyConflictError`, `OverloadedError` and `StoreUnavailableError`.
        """
        order = _checked(tenant, send)
        if tenant.status is not TenantStatus.ACTIVE:
            return await self._answered_while_active(order, given=send.idempotency_key is not None)
        [inserted] = await self._group.submit([order])
        if inserted is not None:
            self._wakes.wake([(str(inserted), tenant.phone_number_id)])
            return AcceptedSend(message_id=inserted, idempotency_key=order.key)
        return await self._answered_before(order)

    async def drained(self) -> None:
        """Wait until everything handed in is stored."""
        await self._group.drained()

    async def _flush(self, orders: Sequence[_Order]) -> list[ObjectId | None]:
        """Store a batch; per order the new message's id, or None where its key was taken."""
        people = await self._customers.resolve(_sighting(order) for order in orders)
        made = [
            self._outbound(order, people.ids[order.tenant.id, _identity(order)]) for order in orders
        ]
        inserted = await self._messages.insert([outbound_document(message) for message in made])
        new = [message for message, outcome in zip(made, inserted, strict=True) if outcome.new]
        await self._note_turns(new, people)
        return [_new_id(m, outcome) for m, outcome in zip(made, inserted, strict=True)]

    async def _note_turns(self, new: Sequence[NewOutbound], people: People) -> None:
        """The messages are accepted by now: a list that lags behind must not undo that."""
        turns = [_turn(message) for message in new]
        try:
            await self._conversations.record(turns, first_met=people.first_met)
        except StoreUnavailableError:
            log.warning("accept.conversations_not_noted", count=len(turns))

    def _outbound(self, order: _Order, customer_id: ObjectId) -> NewOutbound:
        return NewOutbound(
            id=ObjectId(),
            tenant_id=order.tenant.id,
            conversation_id=customer_id,
            phone_number_id=order.tenant.phone_number_id,
            recipient=order.recipient,
            type="text",
            body=order.text,
            content=text_content(order.text),
            source="api",
            idempotency_key=order.key,
            created_at=self._clock.now(),
            request_hash=order.request_hash,
        )

    async def _answered_while_active(self, order: _Order, *, given: bool) -> AcceptedSend:
        """A tenant that is not active takes nothing new, but a repeated key keeps its answer."""
        tenant = order.tenant
        first = await self._messages.find_by_key(tenant.id, order.key) if given else None
        if first is not None:
            return _answer_again(order, first)
        reason = f" ({tenant.paused_reason})" if tenant.paused_reason else ""
        raise TenantNotActiveError(f"the tenant is {tenant.status}{reason} and takes no sends")

    async def _answered_before(self, order: _Order) -> AcceptedSend:
        first = await self._messages.find_by_key(order.tenant.id, order.key)
        if first is None:
            raise StoreUnavailableError("the message could not be stored; try again in a moment")
        return _answer_again(order, first)


def _answer_again(order: _Order, first: Message) -> AcceptedSend:
    if first.request_hash != order.request_hash:
        raise IdempotencyConflictError(
            "this idempotency key was used for a message with another recipient or text; a"
            " new message needs a key of its own"
        )
    return AcceptedSend(message_id=first.id, idempotency_key=order.key, replayed=True)


def _checked(tenant: Tenant, send: SendText) -> _Order:
    recipient = phone.from_caller(send.to)
    if recipient is None:
        raise BadRecipientError(
            "to: not a phone number that can exist; write it in international form, such as"
            " +919012345678"
        )
    key = send.idempotency_key or new_token("key")
    if key.startswith(AUTO_REPLY_PREFIX):
        raise ReservedKeyError(
            f"idempotency keys that begin with {AUTO_REPLY_PREFIX} are the product's own;"
            " choose another"
        )
    asked = json.dumps({"to": recipient, "text": send.text}, sort_keys=True).encode()
    return _Order(
        tenant=tenant,
        recipient=recipient,
        text=send.text,
        key=key,
        request_hash=hashlib.sha256(asked).hexdigest(),
    )


def _identity(order: _Order) -> str:
    return identity_of(phone=order.recipient, user_id=None)


def _sighting(order: _Order) -> Sighting:
    return Sighting(tenant_id=order.tenant.id, identity=_identity(order))


def _turn(message: NewOutbound) -> Turn:
    return Turn(
        tenant_id=message.tenant_id,
        conversation_id=message.conversation_id,
        at=message.created_at,
        preview=message.body,
        inbound=False,
    )


def _new_id(message: NewOutbound, outcome: Inserted) -> ObjectId | None:
    return message.id if outcome.new else None
