"""The page for Prometheus: this peer's counters, histograms and gauges as C{superpeer_...}."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.twisted import MetricsResource
from twisted.web.resource import Resource
from twisted.web.server import Site

from overlay.tally import BOUNDS, Tally

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "messages": ("Messages between peers.", ("type", "direction")),
    "drops": ("What was dropped, shed or refused as bad.", ("reason",)),
    "queries": ("Searches of this peer's user.", ("outcome",)),
    "deeds": ("What other peers were seen to do.", ("deed",)),
    "refusals": ("Work that was refused.", ("kind",)),
    "elections": ("Seats, votes and changes of role.", ("outcome",)),
    "links": ("Links made and ended.", ("event",)),
    "handovers": ("Registrations given and taken when a super-peer resigns.", ("outcome",)),
    "congested": ("How often a link took no more.", ()),
    "deaths": ("Super-peers found dead.", ()),
}
"""Help and labels by name; what is not here has labels without a meaning."""
HISTOGRAMS = {
    "search_seconds": "Duration of searches of this peer's user.",
    "first_hit_seconds": "Time to the first row of a search.",
    "register_seconds": "Time to store one batch of a registration.",
}


class _Peer(Collector):
    def __init__(self, tally: Tally, gauges: Callable[[], dict[str, float]]) -> None:
        self._tally = tally
        self._gauges = gauges

    def describe(self) -> list[Metric]:
        """Nothing is known beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        for name, help in HISTOGRAMS.items():
            family = HistogramMetricFamily(f"superpeer_{name}", help)
            buckets, whole = self._tally.histograms.get((name,), ([0] * (len(BOUNDS) + 1), 0.0))
            rows, total = [], 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                rows.append((bound, total))
            family.add_metric([], rows, whole)
            yield family
        for name, value in sorted(self._gauges().items()):
            yield GaugeMetricFamily(f"superpeer_{name}", name.replace("_", " "), value)

    def _counters(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily] = {}
        for name, (help, labels) in COUNTERS.items():
            families[name] = CounterMetricFamily(f"superpeer_{name}", help, labels=labels)
        for (name, *values), count in sorted(self._tally.counts.items()):
            family = families.get(name)
            if family is None:
                labels = tuple(f"label{at}" for at in range(len(values)))
                family = families[name] = CounterMetricFamily(f"superpeer_{name}", name, labels=labels)
            if len(family._labelnames) == len(values):
                family.add_metric(values, count)
        yield from families.values()


class _Root(Resource):
    def render_GET(self, request: object) -> bytes:
        return b"superpeer: see /metrics\n"


def metricsSite(tally: Tally, gauges: Callable[[], dict[str, float]]) -> Site:
    """
    @param gauges: gives the values that are measured when the page is read.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Peer(tally, gauges))
    root = _Root()
    root.putChild(b"", root)
    root.putChild(b"metrics", MetricsResource(registry))
    site = Site(root)
    site.noisy = False
    return site
