"""The experiments that come with superpeer."""

from overlay.lab.experiment import Experiment
from overlay.lab.experiments.asleep import Asleep
from overlay.lab.experiments.capture import Capture
from overlay.lab.experiments.churn import Churn
from overlay.lab.experiments.flood import Flood
from overlay.lab.experiments.growth import Growth
from overlay.lab.experiments.horizon import Horizon
from overlay.lab.experiments.islands import Islands
from overlay.lab.experiments.outage import Outage
from overlay.lab.experiments.partition import Partition
from overlay.lab.experiments.policy import Policy
from overlay.lab.experiments.rush import Rush
from overlay.lab.experiments.search import Search
from overlay.lab.experiments.settle import Settle

SHIPPED: tuple[type[Experiment], ...] = (
    Flood, Search, Horizon, Settle, Churn, Outage, Partition, Asleep, Islands, Rush, Growth, Policy, Capture,
)
