"""The experiments that come with superpeer."""

from overlay.lab.experiment import Experiment
from overlay.lab.experiments.flood import Flood
from overlay.lab.experiments.search import Search

SHIPPED: tuple[type[Experiment], ...] = (Flood, Search)
