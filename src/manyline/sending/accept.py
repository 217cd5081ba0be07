"""Accepting a message to send: checks, a durable insert, a wake-up, an answer.

Concurrent requests share their inserts (group commit), as webhooks do. The idempotency key is
unique per tenant in the store, so of any number of racers one inserts, and all get its answer.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from bson import ObjectId

from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.base.errors import ManylineError, StoreUnavailableError
from manyline.base.ids import new_token
from manyline.conversations.models import Turn
from manyline.conversations.repository import ConversationRepository
from manyline.conversations.windows import Windows
from manyline.customers.models import Sighting, identity_of
from manyline.customers.service import CustomerService, People
from manyline.infra.one_wait import OneWait
from manyline.messages.documents import outbound_document
from manyline.messages.models import AUTO_REPLY_PREFIX, Inserted, Message, NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta import phone
from manyline.meta.payloads import text_content
from manyline.sending.refusals import (
    BadRecipientError,
    IdempotencyConflictError,
    ReservedKeyError,
    WindowClosedError,
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
    key_given: bool
    request_hash: str


# The new message's id, or why there is none; an earlier answer to the key goes before that.
_Outcome = ObjectId | ManylineError


class Acceptor:
    """Takes sends; when `accept` returns, the message is durable in the outbox."""

    def __init__(
        self,
        *,
        customers: CustomerService,
        conversations: ConversationRepository,
        windows: Windows,
        messages: MessageRepository,
        one_wait: OneWait,
        wakes: Wakes,
        clock: Clock,
    ) -> None:
        self._customers = customers
        self._conversations = conversations
        self._windows = windows
        self._messages = messages
        self._one_wait = one_wait
        self._wakes = wakes
        self._clock = clock
        self._group = GroupCommit[_Order, _Outcome](self._flush)

    async def accept(self, tenant: Tenant, send: SendText) -> AcceptedSend:
        """Put a message into the outbox, or find the one that this key put there before.

        Raises `TenantNotActiveError`, `BadRecipientError`, `ReservedKeyError`,
        `IdempotencyConflictError`, `WindowClosedError`, `OverloadedError` and
        `StoreUnavailableError`.
        """
        order = _checked(tenant, send)
        if tenant.status is not TenantStatus.ACTIVE:
            return await self._answered_before(order, otherwise=_not_active(tenant))
        [outcome] = await self._group.submit([order])
        if not isinstance(outcome, ObjectId):
            return await self._answered_before(order, otherwise=outcome)
        self._wakes.wake([(str(outcome), tenant.phone_number_id)])
        return AcceptedSend(message_id=outcome, idempotency_key=order.key)

    async def drained(self) -> None:
        """Wait until everything handed in is stored."""
        await self._group.drained()

    async def _flush(self, orders: Sequence[_Order]) -> list[_Outcome]:
        async with self._one_wait.flush():
            return await self._take(orders)

    async def _take(self, orders: Sequence[_Order]) -> list[_Outcome]:
        """Store a batch, but for what would stand outside its recipient's window."""
        people = await self._customers.resolve(_sighting(order) for order in orders)
        conversations = [people.ids[order.tenant.id, _identity(order)] for order in orders]
        closed = await self._closed_windows(orders, conversations, people)
        made = [
            self._outbound(order, conversation)
            for order, conversation in zip(orders, conversations, strict=True)
            if conversation not in closed
        ]
        stored = iter(await self._store(made, people))
        return [
            WindowClosedError(closed[conversation]) if conversation in closed else next(stored)
            for conversation in conversations
        ]

    async def _closed_windows(
        self, orders: Sequence[_Order], conversations: Sequence[ObjectId], people: People
    ) -> dict[ObjectId, datetime]:
        """Which conversations' windows are known and past; nobody else's refuses."""
        asked = {
            conversation
            for order, conversation in zip(orders, conversations, strict=True)
            if order.tenant.settings.check_window and conversation not in people.first_met
        }
        return await self._windows.closed(asked)

    async def _store(self, made: Sequence[NewOutbound], people: People) -> list[_Outcome]:
        inserted = await self._messages.insert([outbound_document(message) for message in made])
        new = [message for message, outcome in zip(made, inserted, strict=True) if outcome.new]
        await self._note_turns(new, people)
        return [_outcome(m, outcome) for m, outcome in zip(made, inserted, strict=True)]

    async def _note_turns(self, new: Sequence[NewOutbound], people: People) -> None:
        """The messages are accepted by now: a list that lags behind must not undo that."""
        turns = [_turn(message) for message in new]
        try:
            made = await self._conversations.record(turns, first_met=people.first_met)
            await self._customers.reunite(made)
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

    async def _answered_before(self, order: _Order, *, otherwise: ManylineError) -> AcceptedSend:
        """A repeated key keeps its answer, whatever has changed since then."""
        first = None
        if order.key_given:
            first = await self._messages.find_by_key(order.tenant.id, order.key)
        if first is None:
            raise otherwise
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
            f"idempotency_key: those that begin with {AUTO_REPLY_PREFIX} are the product's own;"
            " choose another"
        )
    asked = json.dumps({"to": recipient, "text": send.text}, sort_keys=True).encode()
    return _Order(
        tenant=tenant,
        recipient=recipient,
        text=send.text,
        key=key,
        key_given=send.idempotency_key is not None,
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


def _outcome(message: NewOutbound, outcome: Inserted) -> _Outcome:
    if outcome.new:
        return message.id
    return StoreUnavailableError("the message could not be stored; try again in a moment")


def _not_active(tenant: Tenant) -> TenantNotActiveError:
    reason = f" ({tenant.paused_reason})" if tenant.paused_reason else ""
    return TenantNotActiveError(f"the tenant is {tenant.status}{reason} and takes no sends")
