"""The plugin loader and the guard around policies."""

import random
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from zope.interface import implementer

from overlay.errors import UsageError
from overlay.identity.ids import PeerId
from overlay.interfaces import IReputation
from overlay.policies import Policies
from overlay.policy import (
    BadPlugin,
    Catalogue,
    ListedPlugin,
    MissingPlugin,
    PolicyPlugin,
    PolicySurroundings,
    addPluginFolder,
    findPlugins,
    parseSpec,
)
from overlay.questions import Deed
from overlay.storage import MemoryStorage
from overlay.verdict import Reason, Verdict

PEER = PeerId(b"p" * 20)

GOOD = '''
from zope.interface import implementer
from overlay.interfaces import IReputation
from overlay.policy import PolicyPlugin
from overlay.verdict import Verdict

@implementer(IReputation)
class Mine:
    def __init__(self, trust: float = 0.5, loud: bool = False, label: str = "x", times: int = 1):
        self.given = (trust, loud, label, times)
    def observed(self, peer, deed, weight):
        pass
    def trust(self, peer):
        return Verdict.yes(score=self.given[0])

mine = PolicyPlugin("reputation", "mine", Mine, "Trusts everybody alike.")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that plugins may be dropped into."""
    return tmp_path


def surroundings(clock: Clock | None = None) -> PolicySurroundings:
    return PolicySurroundings(clock or Clock(), random.Random(1), PEER, MemoryStorage())


def build(folder: Path, spec: str) -> Policies:
    addPluginFolder(folder)
    return Policies.build(surroundings(), {"reputation": spec, "store": "memory"})


def test_droppedInFile(folder: Path) -> None:
    """A file in a plugin folder is found, with its arguments, its help and where it came from, and can be used."""
    (folder / "mine.py").write_text(GOOD)
    policies = build(folder, "mine:trust=0.9,loud=yes,label=a b,times=3")
    assert policies.reputation.policy.given == (0.9, True, "a b", 3)
    assert policies.reputation.trust(PEER).score == 0.9
    listed = findPlugins().find("reputation", "mine")
    assert (listed.file, listed.help) == (str(folder / "mine.py"), "Trusts everybody alike.")
    assert listed.argFormat == "trust=0.5,loud=False,label=x,times=1"


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("mine:trsut=1", "did you mean 'trust'"),
        ("mine:trust=high", "must be a number"),
        ("mine:times=1.5", "must be a whole number"),
        ("mine:loud=perhaps", "must be yes or no"),
        ("mine:trust", "is not key=value"),
        ("mine:trust=1,trust=2", "given twice"),
        (":trust=1", "names no plugin"),
    ],
)
def test_badArguments(folder: Path, spec: str, word: str) -> None:
    """A wrong argument is refused with a sentence that names it."""
    (folder / "mine.py").write_text(GOOD)
    with pytest.raises(UsageError, match=word):
        build(folder, spec)


def test_unknownPlugin() -> None:
    """An unknown name is refused with the names that exist."""
    with pytest.raises(MissingPlugin, match=r"no router plugin 'nosuch' \(there are: .*flood"):
        Policies.build(surroundings(), {"router": "nosuch", "store": "memory"})


def test_routersByName(folder: Path) -> None:
    """A searcher may have any router that ships; one of the operator's own only where it is in use. All others are this peer's own."""
    (folder / "mine.py").write_text(OWN_ROUTER)
    addPluginFolder(folder)
    policies = Policies.build(surroundings(), {"store": "memory", "router": "flood"})
    assert {"flood", "tree"} <= set(policies.routerNames()) and "mine" not in policies.routerNames()
    assert policies.routerNamed("") is policies.routerNamed("flood") is policies.router
    assert policies.routerNamed("mine") is policies.routerNamed("nope") is policies.router
    tree = policies.routerNamed("tree")
    assert tree.pluginName == "tree" and policies.routerNamed("tree") is tree
    policies = Policies.build(surroundings(), {"store": "memory", "router": "mine"})
    assert "mine" in policies.routerNames() and policies.routerNamed("mine") is policies.routerNamed("") is policies.router
    assert policies.routerNamed("flood").pluginName == "flood"


OWN_ROUTER = """
from zope.interface import implementer
from overlay.interfaces import IRouter
from overlay.policy import PolicyPlugin
from overlay.questions import Route

@implementer(IRouter)
class Mine:
    def next(self, progress):
        return Route(())

mine = PolicyPlugin("router", "mine", Mine, "Asks nobody.")
"""


def test_unknownPoint() -> None:
    """An unknown plugin point is refused with the nearest that exists."""
    with pytest.raises(UsageError, match="did you mean 'router'"):
        Policies.build(surroundings(), {"ruoter": "flood"})
    with pytest.raises(BadPlugin, match="no plugin point"):
        PolicyPlugin("ruoter", "x", dict, "")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.py", "import nosuchmodule", "broken.py fails: ModuleNotFoundError"),
        ("exits.py", "raise RuntimeError('on purpose')", "exits.py fails: RuntimeError: on purpose"),
        ("with-dash.py", GOOD, "with-dash.py cannot be imported: rename it"),
        ("bare.py", GOOD.rpartition("mine =")[0], "bare.py has the class Mine but no PolicyPlugin"),
        ("flood.py", GOOD, "flood.py is not loaded, since"),
        ("again.py", GOOD.replace('"mine"', '"beta"'), "reputation beta is already defined by"),
    ],
)
def test_filesThatCannotBeUsed(folder: Path, name: str, content: str, said: str) -> None:
    """A file that cannot be used is named, with why, and does not stop the others."""
    (folder / name).write_text(content)
    (folder / "other.py").write_text(GOOD.replace('"mine"', '"other"'))
    addPluginFolder(folder)
    catalogue = findPlugins()
    assert any(said in problem and str(folder) in problem for problem in catalogue.problems), catalogue.problems
    catalogue.find("reputation", "other")


def test_objectWithoutAMethod(folder: Path) -> None:
    """A policy that lacks a method of its interface is refused by name and file."""
    (folder / "mine.py").write_text(GOOD.replace("def trust(", "def distrust("))
    with pytest.raises(BadPlugin, match=r"reputation mine from .*mine\.py.*trust"):
        build(folder, "mine")


def test_missingFolder(tmp_path: Path) -> None:
    """A plugin folder that is not there is an error that names it."""
    with pytest.raises(UsageError, match="nowhere is not there"):
        addPluginFolder(tmp_path / "nowhere")


def test_requiredArgument() -> None:
    """An argument without a default has to be given."""

    class Needs:
        def __init__(self, level: int) -> None:
            self.level = level

    plugin = PolicyPlugin("reputation", "needs", Needs, "")
    with pytest.raises(UsageError, match="needs the argument level="):
        plugin.build(surroundings(), {})
    assert plugin.build(surroundings(), {"level": "3"}).level == 3


def test_constructorRefuses() -> None:
    """A ValueError of a policy's own validator is a usage error for the user."""

    def target(level: int = 1) -> None:
        raise ValueError("level must be even")

    with pytest.raises(UsageError, match="reputation x: level must be even"):
        PolicyPlugin("reputation", "x", target, "").build(surroundings(), {})


def test_stateless() -> None:
    """Of a plugin that remembers nothing all who ask for the same get one object, and of others each gets its own."""

    class Level:
        def __init__(self, level: int = 1) -> None:
            self.level = level

    alike = PolicyPlugin("reputation", "alike", Level, "", stateless=True)
    one = alike.build(surroundings(), {"level": "3"})
    assert one is alike.build(surroundings(), {"level": "3"}) and one.level == 3
    assert alike.build(surroundings(), {}).level == 1
    each = PolicyPlugin("reputation", "each", Level, "")
    assert each.build(surroundings(), {}) is not each.build(surroundings(), {})


def test_targetByPath() -> None:
    """A class may be named by its path, and gets the surroundings if it asks for them."""
    plugin = PolicyPlugin("reputation", "lazy", "tests.test_policy:Lazy", "")
    around = surroundings()
    assert plugin.build(around, {}).surroundings is around


@implementer(IReputation)
class Lazy:
    """Asks for its surroundings; fails on demand."""

    def __init__(self, surroundings: PolicySurroundings) -> None:
        self.surroundings = surroundings
        self.answer: object = Verdict.yes(Reason("evidence", 3), score=0.7)
        self.closed = 0

    def observed(self, peer: PeerId, deed: Deed, weight: float) -> None:
        if self.answer is None:
            raise OSError("disk")

    def trust(self, peer: PeerId) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.closed += 1
        raise ValueError("at the close")


def lazily(clock: Clock) -> Policies:
    whole = findPlugins()
    lazy = ListedPlugin(PolicyPlugin("reputation", "lazy", "tests.test_policy:Lazy", ""), "lazy.py")
    return Policies.build(
        surroundings(clock), {"reputation": "lazy", "store": "memory"}, Catalogue((*whole.plugins, lazy), ())
    )


@pytest.mark.parametrize("answer", [KeyError("x"), "nonsense", 0.9])
def test_failingPolicy(answer: object) -> None:
    """A policy that raises, or answers with something that is no verdict, is replaced by the safe default."""
    policies = lazily(Clock())
    assert policies.reputation.trust(PEER).score == 0.7
    policies.reputation.policy.answer = answer
    verdict = policies.reputation.trust(PEER)
    assert verdict.score == 0.5
    assert "safe default" in verdict.reasons[0].name
    assert policies.reputation.failures == 1


def test_failingListener() -> None:
    """A reputation that fails at an event stops nothing."""
    policies = lazily(Clock())
    policies.reputation.policy.answer = None
    assert policies.reputation.observed(PEER, Deed.ANSWERED, 1.0) is None
    assert policies.reputation.failures == 1


def test_lastVerdicts() -> None:
    """The last verdicts of a point are kept for EXPLAIN: newest first, and not without end."""
    clock = Clock()
    policies = lazily(clock)
    peers = [PeerId(bytes([number]) * 20) for number in range(20)]
    for peer in peers:
        clock.advance(1)
        policies.reputation.trust(peer)
    rows = policies.last("reputation")
    assert [row[1] for row in rows] == [20, 19]
    assert rows[0][0] == "trust" and rows[0][2] == peers[-1] and rows[0][3].score == 0.7


def test_lastVerdictsDiffer() -> None:
    """The same answer about the same peer, over and over, does not push the others out; another answer is kept beside it."""
    clock = Clock()
    policies = lazily(clock)
    other = PeerId(b"o" * 20)
    policies.reputation.trust(other)
    for _ in range(20):
        clock.advance(1)
        policies.reputation.trust(PEER)
    rows = policies.last("reputation")
    assert [(row[1], row[2], row[3].decision) for row in rows] == [(20, PEER, "yes"), (0, other, "yes")]
    policies.reputation.policy.answer = Verdict.no(Reason("evidence", 4))
    policies.reputation.trust(PEER)
    rows = policies.last("reputation")
    assert [(row[1], row[2], row[3].decision) for row in rows] == [(20, PEER, "no"), (20, PEER, "yes")]


def test_close() -> None:
    """Closing lets a policy write down what it holds; one that fails at it does not keep the others from closing."""
    policies = lazily(Clock())
    policies.close()
    assert policies.reputation.policy.closed == 1


def test_parseSpec() -> None:
    """A spec is a name and its arguments."""
    assert parseSpec("fittest:wanted=4, settle=2") == ("fittest", {"wanted": "4", "settle": "2"})
    assert parseSpec("flood") == ("flood", {})
