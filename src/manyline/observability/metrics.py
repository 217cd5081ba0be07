"""Prometheus metrics, grouped by who counts them; each group is built once per process.

Names follow Prometheus' rules (`_total`, base units). Nothing is labelled with a tenant or a
number: a label per tenant would be a time series per tenant.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALL_OUTCOMES = ("Accepted", "Refused", "NotSent", "Unknown")
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class InboundMetrics:
    """The way in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.items = Counter(
            "manyline_webhook_items", "Items taken from Meta's webhooks.", registry=registry
        )
        self.dropped = Counter(
            "manyline_webhook_items_dropped",
            "Items for numbers that belong to no tenant.",
            registry=registry,
        )
        self.refused = Counter(
            "manyline_webhooks_refused", "Webhooks without a fitting signature.", registry=registry
        )
        self.foreign = Counter(
            "manyline_webhooks_of_a_foreign_app",
            "Webhooks refused since the app of a tenant in them did not sign them.",
            registry=registry,
        )
        self.quarantined = Counter(
            "manyline_webhook_items_quarantined",
            "Items that could not be understood or stored.",
            registry=registry,
        )
        self.duplicates = Counter(
            "manyline_webhook_duplicates", "Messages that were stored before.", registry=registry
        )
        self.parked = Counter(
            "manyline_statuses_parked", "Statuses whose message is not known.", registry=registry
        )
        self.ledger_lost = Counter(
            "manyline_webhooks_not_kept",
            "Webhooks that were stored and could not be kept in the ledger.",
            registry=registry,
        )
        self.flush_items = Histogram(
            "manyline_inbound_flush_items", "Items per flush.", buckets=SIZES, registry=registry
        )
        self.flush_seconds = Histogram(
            "manyline_inbound_flush_seconds", "Time of a flush.", buckets=SECONDS, registry=registry
        )

    def count(self, *, items: int, dropped: int) -> None:
        """One webhook was taken."""
        self.items.inc(items)
        if dropped:
            self.dropped.inc(dropped)


class SendingMetrics:
    """The way out."""

    def __init__(self, registry: CollectorRegistry) -> None:
        calls = Counter(
            "manyline_graph_calls",
            "Calls to Graph by what came of them.",
            ["outcome"],
            registry=registry,
        )
        self.calls = {outcome: calls.labels(outcome) for outcome in CALL_OUTCOMES}
        self.call_seconds = Histogram(
            "manyline_graph_call_seconds",
            "Time of a call to Graph.",
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "manyline_graph_calls_in_flight", "Calls to Graph under way.", registry=registry
        )
        self.settled = Counter(
            "manyline_messages_settled",
            "Messages settled, by status.",
            ["status"],
            registry=registry,
        )
        self.relayed = Counter(
            "manyline_relay_wakes", "Numbers that the relay had to wake.", registry=registry
        )
        self.expired_leases = Counter(
            "manyline_leases_expired",
            "Messages whose worker never settled them.",
            registry=registry,
        )


class HttpMetrics:
    """The API's own requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "manyline_http_requests", "Requests by route and status.", ["route", "status"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "manyline_http_request_seconds", "Time to answer.", ["route"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._children: dict[tuple[str, int | None], tuple[Counter, Histogram]] = {}

    def count(self, route: str, status: int | None, seconds: float | None) -> None:
        """One request was answered; `status` None when its client had gone.

        `seconds` None for an answer whose length says nothing, such as a stream of events.
        """
        known = self._children.get((route, status))
        if known is None:
            # Looking a child up by its labels costs more than counting with it.
            known = (self.requests.labels(route, str(status)), self.seconds.labels(route))
            self._children[route, status] = known
        known[0].inc()
        if seconds is not None:
            known[1].observe(seconds)
