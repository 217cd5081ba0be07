"""Errors that pass: Meta is busy, or wants fewer messages for a while."""

from datetime import timedelta

from manyline.meta.error_rows.row import (
    FLOW_HEALTH_PAGE,
    GRAPH_LIMITS_PAGE,
    ErrorClass,
    ErrorRow,
)

# Neither an unknown error nor one without a cause gets better by being called often.
FEW_TRIES = 3
# Meta counts calls over a rolling hour and says in a header when there is room again; this is for
# answers without that header.
UNTOLD_LIMIT_WAIT = timedelta(minutes=5)

BACKOFF_ROWS = (
    ErrorRow(
        code=1,
        error_class=ErrorClass.BACKOFF,
        meaning="Meta answered with an unspecified error: a fault of its own, or a request that"
        " it could not make sense of.",
        fix="Look at Meta's status page. If there is no outage and it keeps happening for the same"
        " kind of message, compare the message's content with Meta's reference.",
        tries=FEW_TRIES,
    ),
    ErrorRow(
        code=2,
        error_class=ErrorClass.BACKOFF,
        meaning="Meta's service was down or overloaded for the moment.",
        fix="Nothing, as a rule. If it lasts, look at Meta's status page; replay the message once"
        " the outage is over.",
    ),
    ErrorRow(
        code=131000,
        error_class=ErrorClass.BACKOFF,
        meaning="Meta could not send the message and does not say why.",
        fix="Replay it later. If it fails again, open a ticket with Meta and give the fbtrace_id"
        " shown with the message.",
        tries=FEW_TRIES,
    ),
    ErrorRow(
        code=131016,
        error_class=ErrorClass.BACKOFF,
        meaning="A service of Meta's that this message needs was not available for the moment.",
        fix="Nothing, as a rule. If it lasts, look at Meta's status page; replay the message once"
        " the outage is over.",
    ),
    ErrorRow(
        code=131057,
        error_class=ErrorClass.BACKOFF,
        meaning="Meta is doing maintenance on this WhatsApp account, for instance raising its"
        " throughput; it takes no messages for about a minute.",
        fix="Nothing: it ends by itself. If it lasts for hours, ask Meta's support.",
        delay=timedelta(seconds=60),
    ),
    ErrorRow(
        code=133004,
        error_class=ErrorClass.BACKOFF,
        meaning="Meta's registration server was not available for the moment.",
        fix="Nothing, as a rule. If it lasts, look at Meta's status page; the details beside the"
        " error may say when to try again.",
    ),
)

WAIT_ROWS = (
    ErrorRow(
        code=130429,
        error_class=ErrorClass.WAIT_NUMBER,
        meaning="The business number reached the rate that Meta allows it (80 messages a second,"
        " in and out together, unless Meta raised it).",
        fix="Nothing: sending slows down. If it happens often, lower the tenant's"
        " limits.messagesPerSecond, or have Meta raise the number's throughput.",
    ),
    ErrorRow(
        code=131056,
        error_class=ErrorClass.WAIT_PAIR,
        meaning="Too many messages went from this number to this one recipient in a short time."
        " Meta allows about one every 6 seconds, with bursts of up to 45 that must be made up for.",
        fix="Nothing: this recipient is served more slowly. If it happens often, put several short"
        " messages into one.",
    ),
    ErrorRow(
        code=4,
        error_class=ErrorClass.WAIT_APP,
        meaning="The Meta app used up the calls it may make in an hour. The limit is the app's, so"
        " other tenants that use the same app feel it too.",
        fix="Nothing for a single message. If it happens often, look at the app's rate limits in"
        " Meta's App Dashboard and see what else calls Graph with this app.",
        delay=UNTOLD_LIMIT_WAIT,
        href=GRAPH_LIMITS_PAGE,
    ),
    ErrorRow(
        code=80007,
        error_class=ErrorClass.WAIT_APP,
        meaning="The WhatsApp Business account used up the calls it may make in an hour.",
        fix="Nothing for a single message. If it happens often, see which other software calls"
        " Graph for this account, for instance to read templates over and over.",
        delay=UNTOLD_LIMIT_WAIT,
        href=GRAPH_LIMITS_PAGE,
    ),
)

LONG_WAIT_ROWS = (
    ErrorRow(
        code=131048,
        error_class=ErrorClass.WAIT_LONG,
        meaning="Meta restricts how much this number may send, because too many of its earlier"
        " messages were blocked or reported as spam.",
        fix="Look at the number's quality in WhatsApp Manager and write only to people who agreed"
        " to it. The restriction is lifted when the quality recovers.",
        delay=timedelta(hours=6),
    ),
    ErrorRow(
        code=131049,
        error_class=ErrorClass.WAIT_LONG,
        meaning="Meta chose not to deliver this marketing message: the recipient gets, or ignores,"
        " too many of them from businesses at present. Nothing is wrong with the message.",
        fix="Do not send it again within 24 hours; sooner tries are refused as well. What matters"
        " to the recipient can go as a utility template, or as a reply when they write.",
        delay=timedelta(hours=24),
    ),
    ErrorRow(
        code=131064,
        error_class=ErrorClass.WAIT_LONG,
        meaning="Meta limits this account's sending for a while, because its templates were put"
        " into a category that does not fit their content.",
        fix="In WhatsApp Manager, correct the category of the templates that Meta names (mostly"
        " utility templates that advertise). The limit ends with Meta's enforcement period.",
        delay=timedelta(hours=6),
    ),
    ErrorRow(
        code=132069,
        error_class=ErrorClass.WAIT_LONG,
        meaning="The Flow in this message is throttled for poor health: Meta lets 10 messages with"
        " it pass in an hour.",
        fix="Mend the Flow's endpoint (errors, latency, availability): WhatsApp Manager shows what"
        " is amiss. Meta lifts the throttle when the endpoint has recovered.",
        delay=timedelta(hours=1),
        href=FLOW_HEALTH_PAGE,
    ),
    ErrorRow(
        code=133008,
        error_class=ErrorClass.WAIT_LONG,
        meaning="The two-step PIN was entered wrongly too often while the number was registered.",
        fix="Wait for as long as the details say, then register with the right PIN, or set a new"
        " PIN in WhatsApp Manager.",
        delay=timedelta(hours=1),
    ),
    ErrorRow(
        code=133009,
        error_class=ErrorClass.WAIT_LONG,
        meaning="The two-step PIN was entered again too soon while the number was registered.",
        fix="Wait for as long as the details say, then enter the PIN again.",
        delay=timedelta(minutes=5),
    ),
    ErrorRow(
        code=133015,
        error_class=ErrorClass.WAIT_LONG,
        meaning="The number was deleted a moment ago and the deletion is not complete.",
        fix="Wait 5 minutes, then register the number again.",
        delay=timedelta(minutes=5),
    ),
    ErrorRow(
        code=133016,
        error_class=ErrorClass.WAIT_LONG,
        meaning="The number was registered and deregistered too often: Meta allows 10 times in 72"
        " hours and refuses more until those are over.",
        fix="Leave the registration alone for 72 hours, then register once.",
        delay=timedelta(hours=72),
    ),
    ErrorRow(
        code=134101,
        error_class=ErrorClass.WAIT_LONG,
        meaning="Meta is still preparing this template for the Marketing Messages API; that takes"
        " up to 10 minutes after it was made or changed.",
        fix="Nothing: the message is tried again after 10 minutes.",
        delay=timedelta(minutes=10),
    ),
)
