"""The experiments that come with superpeer."""

from overlay.lab.experiment import Experiment
from overlay.lab.experiments.flood import Flood

SHIPPED: tuple[type[Experiment], ...] = (Flood,)
