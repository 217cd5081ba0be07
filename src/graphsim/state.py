"""Everything one running simulator holds; routes are handed it and keep nothing themselves."""

from dataclasses import dataclass, field

from graphsim.faults import Faults
from graphsim.journal import Journal
from graphsim.settings import Settings
from graphsim.webhook_delivery import WebhookDelivery


@dataclass(slots=True)
class State:
    """Limits on rate, pair and window will keep their counters here."""

    settings: Settings
    journal: Journal = field(default_factory=Journal)
    faults: Faults = field(default_factory=Faults)
    delivery: WebhookDelivery = field(init=False)

    def __post_init__(self) -> None:
        self.delivery = WebhookDelivery(self.settings)
