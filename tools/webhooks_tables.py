"""The tables of `docs/webhooks.md`: a line for all that the code knows, or a `KeyError` that tells
which line is missing."""

from collections.abc import Callable, Iterable, Mapping

from manyline.inbound.models import Became
from manyline.meta.webhook import UNSUPPORTED
from manyline.meta.webhook.accounts import KINDS
from manyline.meta.webhook.envelope import BY_NUMBER, MESSAGES
from manyline.meta.webhook.messages import TYPES

MESSAGE_TYPES: Mapping[str, str] = {
    "text": "`body` is the text",
    "image": "`body` is the caption; the media's id is in `content`",
    "video": "as `image`",
    "document": "`body` is the caption, else the file's name",
    "audio": "no `body`; `content.audio.voice` tells a voice message",
    "sticker": "no `body`",
    "location": "`body` is the name, else the address",
    "contacts": "`body` is the names on the cards",
    "interactive": "`body` is the title that was chosen; `interactive` is the answer, a flow's with"
    " its `response_json` decoded as `response`",
    "button": "`body` is the button's text; `button` is its payload",
    "order": "`order` is what was ordered",
    "reaction": "stands by itself with `about`, and in `reactions` of the message it is about,"
    " until an empty emoji takes it off; no reply",
    "edit": "stands by itself with `about`; the message it changes keeps its words and shows the"
    " new ones as `edited`; no reply",
    "revoke": "stands by itself with `about`; the message it deletes keeps its words and shows"
    " `revokedAt`; no reply",
    "system": "Meta's word about the customer. `user_changed_number` and `user_changed_user_id`"
    " move the customer's identity, and the conversation stays; opens no window; no reply",
}
A_TYPE_THAT_IS_NEW = "every other type, and Meta's own `unsupported`: kept whole in `content`"

NUMBERS_FIELDS: Mapping[str, str] = {
    "smb_message_echoes": "what the business wrote on its phone: an OUT message, source `phone`,"
    " `sent`, raised by its statuses; nothing is sent",
    "history": "messages from before: IN or OUT, source `history`, at their own times; no reply, no"
    " window, nothing unread. That all is here, or sharing was declined: an account event",
    "smb_app_state_sync": "the phone's address book: the customer's name, or a new customer;"
    " a contact that is removed there stays here",
    "user_preferences": "marketing messages stopped or taken again: the customer's `optedOutAt`,"
    " the newest word holds",
}

FOLLOWED: Mapping[str, str] = {
    "account_update": "`account.accountEvent`; a disabled or deleted account, one that may not"
    " send, or whose business left pauses the tenant, and its return ends that pause (never a"
    " person's)",
    "account_review_update": "`account.review`; `REJECTED` pauses the tenant, `APPROVED` ends that",
    "business_capability_update": "`account.messagingLimit`",
    "phone_number_name_update": "`account.verifiedName`, once approved",
    "phone_number_quality_update": "`account.qualityEvent`, `account.messagingLimit`",
    "messages": "errors that Meta tells of the number itself",
}
NOT_FOLLOWED = "only the log"

BECAME: Mapping[Became, str] = {
    Became.STORED: "new, and in MongoDB",
    Became.DUPLICATE: "had been stored before; what was missing was added",
    Became.RAISED: "a status that found its message. Whether it moved it on is another matter: a"
    " message's status only climbs",
    Became.PARKED: "a status of a message that is not known yet; tried again for seven days",
    Became.NOTED: "a name or a preference, taken into the customer's record",
    Became.QUARANTINED: "not understood, or nothing that MongoDB takes; set aside",
}


def messages_table() -> str:
    """Every type of a customer's message."""
    lines = _lines(sorted(TYPES), MESSAGE_TYPES.__getitem__)
    return _table("type", [*lines, f"| `{UNSUPPORTED}` | {A_TYPE_THAT_IS_NEW} |"])


def numbers_table() -> str:
    """The fields whose items belong to a number."""
    return _table("field", _lines(BY_NUMBER, NUMBERS_FIELDS.__getitem__))


def accounts_table() -> str:
    """The fields that become account events."""
    unknown = FOLLOWED.keys() - KINDS.keys()
    if unknown:
        raise KeyError(*unknown)
    rows = [
        f"| `{field}`{' (`errors`)' if field == MESSAGES else ''} | {kind} |"
        f" {FOLLOWED.get(field, NOT_FOLLOWED)} |"
        for field, kind in KINDS.items()
    ]
    rows.append(f"| any other | {UNSUPPORTED} | {NOT_FOLLOWED} |")
    return "| field | kind | shows on the tenant |\n|---|---|---|\n" + "\n".join(rows)


def outcomes_table() -> str:
    """What may become of an item."""
    return _table("outcome", _lines(Became, lambda name: BECAME[Became(name)]))


def _lines(names: Iterable[str], meaning: Callable[[str], str]) -> list[str]:
    return [f"| `{name}` | {meaning(name)} |" for name in names]


def _table(heading: str, lines: Iterable[str]) -> str:
    return f"| {heading} | what becomes of it |\n|---|---|\n" + "\n".join(lines)
