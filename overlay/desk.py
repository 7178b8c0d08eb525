"""What the console is told about one peer: the desk over its rooms."""

import socket
from collections.abc import Iterable, Sequence
from typing import Any

from zope.interface import implementer

from overlay import __version__
from overlay.console.desk import IDesk
from overlay.errors import UsageError
from overlay.identity.ids import PeerId, findByPrefix, idText, parseId, shortText
from overlay.identity.invitation import Invitation
from overlay.membership.attempts import describeAttempts, summaryOf
from overlay.peer import Peer
from overlay.share.share import Share
from overlay.wire.address import formatAddress, parseAddress

EXAMPLES = 10
QUOTA_CODES = ("quota-records", "quota-bytes")


@implementer(IDesk)
class Desk:
    """
    @ivar peer: whose desk it is.
    """

    version = __version__

    def __init__(self, peer: Peer, share: Share) -> None:
        self.peer = peer
        self._share = share

    @property
    def peerId(self) -> bytes:
        return self.peer.peerId

    def search(
        self, text: str, want: int, timeout: float | None, onHits: Any, match: str = "all", types: Sequence[str] = (), sort: str = "score",
        ttl: int = 0, router: str = "",
    ) -> Any:
        return self.peer.searches.search(text, want, timeout, router, onHits, ttl, match, types, sort)

    def routers(self) -> list[str]:
        return self.peer.commons.policies.routerNames()

    # --- how this peer is --------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        peer = self.peer
        commons = peer.commons
        membership = peer.membership
        registry = peer.registry.totals()
        share = self._share.report()
        return {
            "peer": idText(peer.peerId),
            "network": commons.network.title,
            "role": membership.role,
            "because": peer.election.role.because,
            "joined": peer.bootstrap.joined,
            "super-peers known": len(membership.superPeers()) + membership.serving,
            "links": len(peer.links),
            "neighbours": len(peer.neighbours.linked()),
            "suspected": [shortText(one) for one in peer.suspicion.suspected],
            "leaves": peer.hosting.count,
            "records held": registry.records if membership.serving else 0,
            "records shared": peer.own.count,
            "share": "complete" if share["progress"] == 1.0 else f"{100 * share['progress']:.0f} % indexed, {share['waiting']} waiting",
            "homes": [self._home(view) for view in peer.homes.views()],
            "left out": self._leftOut(),
            "in doubt": (peer.summaries.explain() or {}).get("in doubt", []),
            "addresses": membership.ownAddresses(),
            "reachable": {True: "yes", False: "no", None: "unknown"}[peer.election.reachability.dialable],
            "discovery": self._discovery(),
            "uptime": round(membership.uptime(), 1),
            "version": __version__,
            "problems": self._problems(share, registry.problem),
        }

    def _discovery(self) -> list[dict[str, Any]]:
        """Of each way to find others how far it has come; C{EXPLAIN join} has all of it."""
        rows = describeAttempts(self.peer.bootstrap)["sources"]
        return [
            {
                "source": row["source"], "found": row["found"], "tried": sum(one["tries"] > 0 for one in row["addresses"]),
                "last answer": next((one["answer"] for one in sorted(
                    row["addresses"], key=lambda one: one["ago"] if one["ago"] is not None else float("inf")
                )), None),
                "problem": row["problem"],
            }
            for row in rows
        ]

    def _home(self, view: Any) -> dict[str, Any]:
        return {
            "peer": shortText(view.peerId), "state": view.state,
            "records": "behind" if view.behind else "all", "refused": len(view.refused),
            "rtt": None if view.rtt is None else round(view.rtt, 4),
        }

    def _leftOut(self) -> list[dict[str, Any]]:
        """Which of the user's own records a home did not take, and why."""
        rows = []
        for view in self.peer.homes.views():
            codes: dict[str, list[bytes]] = {}
            for recordId, code in view.refused.items():
                codes.setdefault(code, []).append(recordId)
            for code, ids in sorted(codes.items()):
                records = [self.peer.own.byId(one) for one in ids[:EXAMPLES]]
                rows.append(
                    {
                        "home": shortText(view.peerId), "why": code, "records": len(ids),
                        "quota": {"quota-records": view.quotaRecords, "quota-bytes": view.quotaBytes}.get(code),
                        "such as": [self._location(one) for one in records if one is not None],
                    }
                )
        return rows

    @staticmethod
    def _location(record: Any) -> str:
        from overlay.index.record import openHead

        return openHead(record.head).location

    def _problems(self, share: dict[str, Any], store: str) -> list[str]:
        peer = self.peer
        found = [
            peer.registry.problem or store, peer.own.problem, share["problem"], peer.links.twin,
            *(f"the share folder {one['path']} is not there" for one in share["folders"] if not one["there"]),
        ]
        found.extend(f"{one.title}: {one.problem}" for one in peer.bootstrap.sources if one.problem)
        if not peer.bootstrap.joined and not peer.bootstrap.alone:
            found.append(f"no super-peer is reached: {summaryOf(peer.bootstrap)}")
        for guarded in (
            peer.commons.policies.election, peer.commons.policies.reputation, peer.commons.policies.rateLimit,
            peer.commons.policies.router, peer.commons.policies.ranking,
        ):
            if guarded.failures:
                found.append(f"the {guarded.point} plugin {guarded.pluginName} has failed {guarded.failures} times ({guarded.file})")
        return [one for one in dict.fromkeys(found) if one]

    def peers(self) -> list[dict[str, Any]]:
        peer = self.peer
        links = {link.peerId: link for link in peer.links}
        known = {one.peerId: one for one in peer.membership}
        leaves = {link.peerId for link in peer.hosting.leaves()}
        homes = {view.peerId for view in peer.homes.views() if view.state == "registered"}
        rows = []
        for peerId in sorted({*links, *known}):
            link, one = links.get(peerId), known.get(peerId)
            relation = [
                name for name, holds in (
                    ("home", peerId in homes), ("leaf", peerId in leaves), ("neighbour", peer.neighbours.isNeighbour(peerId)),
                ) if holds
            ]
            advert = one.advert if one is not None else (link.advert if link is not None else None)
            rows.append(
                {
                    "peer": idText(peerId),
                    "role": advert.role if advert is not None else "unknown",
                    "alive": one.alive if one is not None else link is not None,
                    "linked": link is not None,
                    "state": "-" if link is None else peer.suspicion.stateOf(link),
                    "relation": "+".join(relation) or "-",
                    "address": link.address if link is not None else (advert.addresses[0] if advert and advert.addresses else "-"),
                    "rtt": None if link is None or link.rtt is None else round(link.rtt, 4),
                    "load": advert.load if advert is not None else None,
                    "trust": round(peer.commons.trust(peerId), 3),
                    "agent": advert.agent if advert is not None else "",
                }
            )
        return rows

    def share(self) -> dict[str, Any]:
        return {"records": self.peer.own.count, **self._share.report()}

    def stats(self) -> dict[str, Any]:
        counts: dict[str, Any] = {}
        for (name, *labels), value in sorted(self.peer.commons.tally.counts.items()):
            counts.setdefault(name, {})[".".join(labels) or "all"] = value
        return {**{name: round(value, 3) for name, value in sorted(self.gauges().items())}, **counts}

    def gauges(self) -> dict[str, float]:
        """What is measured when it is asked for."""
        peer = self.peer
        totals = peer.registry.totals()
        share = self._share.report()
        return {
            "role": float(peer.membership.serving),
            "leaves": float(peer.hosting.count),
            "links": float(len(peer.links)),
            "neighbours": float(len(peer.neighbours.linked())),
            "known_super_peers": float(len(peer.membership.superPeers())),
            "homes": float(len(peer.homes.links())),
            "records": float(totals.records),
            "records_shared": float(peer.own.count),
            "store_bytes": float(totals.bytes),
            "store_terms": float(totals.terms),
            "share_waiting": float(share["waiting"]),
            "uptime_seconds": peer.membership.uptime(),
        }

    # --- why ---------------------------------------------------------------------------------------------------------

    def explain(self, topic: str, argument: str) -> dict[str, Any]:
        if topic == "role":
            return self.peer.election.explain()
        if topic == "tree":
            return self.peer.tree.explain()
        if topic == "join":
            return describeAttempts(self.peer.bootstrap)
        if topic == "peer":
            return self._explainPeer(self._find(argument))
        if topic == "search":
            return self._explainSearch(argument)
        if topic == "hit":
            if self.peer.searches.lastRows is None:
                raise UsageError("nothing has been searched for yet")
            return self.peer.searches.lastRows.row(argument)
        return self._explainPolicies()

    def _explainPeer(self, peerId: PeerId) -> dict[str, Any]:
        peer = self.peer
        policies = peer.commons.policies
        trust = policies.reputation.trust(peerId)
        known, link = peer.membership.get(peerId), peer.links.get(peerId)
        registration = peer.registry.holding(peerId)
        return {
            "peer": idText(peerId),
            "reputation": {
                "plugin": policies.reputation.pluginName, "trust": round(trust.score, 4),
                "evidence": [one.asJSON() for one in trust.reasons],
            },
            "budget": {
                "plugin": policies.rateLimit.pluginName,
                "left": [one.asJSON() for one in policies.rateLimit.budget(peerId)],
            },
            "blocked": peer.commons.isRefused(peerId),
            "link": None if link is None else {
                "address": link.address, "dialled": link.dialled, "seconds": round(peer.commons.seconds() - link.since, 1),
                "rtt": link.rtt, "rtt deviation": round(link.deviation, 4), "state": peer.suspicion.stateOf(link),
                "silent for": round(peer.commons.seconds() - link.heard, 1), "suspected after": round(link.bears(), 1),
                "given up after": peer.commons.settings.beats.dead,
                "clock offset": link.clockOffset, "sent": link.bytesSent, "received": link.bytesReceived,
                "agent": link.agent,
            },
            "advert": None if known is None else {
                "role": known.advert.role, "alive": known.alive, "recognised": known.recognised, "mandated": known.mandated,
                "heir": known.heir, "problem": known.problem, "addresses": list(known.advert.addresses),
                "load": known.advert.load,
            },
            "registered here": None if registration is None else {
                "records": registration.records, "bytes": registration.bytes, "sequence": registration.sequence,
            },
        }

    def _explainSearch(self, argument: str) -> dict[str, Any]:
        last = self.peer.searches.explainLast()
        if not last:
            raise UsageError("nothing has been searched for yet")
        try:
            number = int(argument or 1)
        except ValueError as problem:
            raise UsageError(f"{argument!r} is no number: 1 is the last search") from problem
        if not 1 <= number <= len(last):
            raise UsageError(f"the last {len(last)} searches are known")
        return last[number - 1]

    def _explainPolicies(self) -> dict[str, Any]:
        policies = self.peer.commons.policies
        now = self.peer.commons.seconds()
        whole: dict[str, Any] = {"specs": dict(policies.specs), "summaries": self.peer.summaries.explain()}
        for point in ("election", "reputation", "rate-limit", "router", "ranking"):
            whole[point] = [
                {"question": method, "seconds ago": round(now - when, 1), "about": _about(about), "answer": _answer(answer)}
                for method, when, about, answer in policies.last(point)
            ]
        return whole

    # --- the operator ------------------------------------------------------------------------------------------------

    def network(self) -> dict[str, Any]:
        commons = self.peer.commons
        network = commons.network
        return {
            "name": network.title,
            "kind": "open" if network.isOpen else "closed",
            "founder": "none" if not network.founder else ("this peer" if self.peer.governance.isFounder else "another peer"),
            "key generation": network.generation,
            "words": network.dialect or "as they are",
            "expelled": [idText(one) for one in sorted(network.expelled)],
            "blocked here": self.blocked(),
        }

    def invite(self, address: str = "") -> str:
        peer = self.peer
        if address:
            addresses = [formatAddress(*parseAddress(address))]
        else:
            addresses = list(peer.commons.settings.advertise)
            if not addresses:
                addresses = [*peer.membership.ownAddresses(), *_localAddresses(peer.links.host, peer.links.port)]
        if not addresses:
            raise UsageError("this peer does not listen, so nobody can be invited to dial it")
        # An address of this machine alone is of use to nobody else; it stays for a network on one machine.
        addresses = sorted(dict.fromkeys(addresses), key=lambda one: parseAddress(one)[0].startswith(("127.", "::1", "localhost")))
        return Invitation(peer.commons.network, peer.commons.peerId, tuple(addresses[:4])).render()

    def rotate(self) -> None:
        self.peer.governance.rotate()

    def expel(self, prefix: str) -> str:
        found = self._find(prefix)
        self.peer.governance.expel(found)
        return idText(found)

    def block(self, prefix: str) -> str:
        found = self._find(prefix)
        self.peer.governance.block(found)
        return idText(found)

    def unblock(self, prefix: str) -> str:
        found = findByPrefix(prefix, self.peer.commons.blocked)
        self.peer.governance.unblock(found)
        return idText(found)

    def blocked(self) -> list[str]:
        return [idText(one) for one in sorted(self.peer.commons.blocked)]

    def _find(self, prefix: str) -> PeerId:
        """A whole id is taken as it is; a prefix must fit one peer that is known."""
        if len(prefix.strip()) == 32:
            return parseId(prefix)
        return findByPrefix(prefix, self._knownIds())

    def _knownIds(self) -> Iterable[bytes]:
        peer = self.peer
        yield from (one.peerId for one in peer.membership)
        yield from (link.peerId for link in peer.links)
        yield from peer.registry.owners()
        yield from peer.commons.blocked
        yield peer.peerId


def _about(value: Any) -> Any:
    if isinstance(value, bytes):
        return shortText(value)
    peer = getattr(value, "peerId", None)
    return shortText(peer) if isinstance(peer, bytes) and peer else type(value).__name__.lower()


def _answer(value: Any) -> Any:
    if hasattr(value, "asJSON"):
        return value.asJSON()
    return {
        "ask": len(value.ask), "pruned": len(value.pruned), "stop": value.stop, "reasons": [one.asJSON() for one in value.reasons],
    }


def _localAddresses(host: str, port: int) -> list[str]:
    """
    Where this machine may be dialled from outside, as its own routing table says; nothing is sent.

    @param host: the only address at which it listens; empty if it listens at all.
    """
    if not port:
        return []
    if host:
        return [formatAddress(host, port)]
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.append(formatAddress(probe.getsockname()[0], port))
        except OSError:
            continue
    return [*found, formatAddress("127.0.0.1", port)]
