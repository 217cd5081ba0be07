"""Everything one running simulator holds; routes are handed it and keep nothing themselves."""

from dataclasses import dataclass, field

from graphsim.faults import Faults
from graphsim.journal import Journal
from graphsim.limits import Limits
from graphsim.settings import Settings
from graphsim.webhook_delivery import WebhookDelivery


@dataclass(slots=True)
class State:
    """Made once from `settings`; the rest follows."""

    settings: Settings
    journal: Journal = field(default_factory=Journal)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(init=False)
    delivery: WebhookDelivery = field(init=False)

    def __post_init__(self) -> None:
        self.limits = Limits(self.settings)
        self.delivery = WebhookDelivery(self.settings)
