"""The model of elections in docs/election.pml: each property holds in every state, and fails without the rule that it rests on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parent.parent.parent / "docs" / "election.pml"
COMPILER = shutil.which("gcc") or shutil.which("cc")
pytestmark = [
    pytest.mark.skipif(shutil.which("spin") is None, reason="spin is not installed (Debian: apt-get install spin)"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler, which spin needs"),
]


def violated(folder: Path, part: str, claim: str = "", without: str = "") -> str:
    """
    Look at every state of one part of the model.

    @param claim: a property over whole runs, under weak fairness; else the assertions are checked.
    @param without: a rule that is left out.
    @return: what the checker found violated first; empty if nothing is.
    """
    assert COMPILER is not None
    words = [f"-D{part}", *([f"-D{without}"] if without else [])]
    subprocess.run(["spin", "-a", *words, str(MODEL)], cwd=folder, check=True, capture_output=True, timeout=60)
    how = ["-DNFAIR=3"] if claim else ["-DSAFETY"]
    subprocess.run([COMPILER, "-O0", "-w", *how, "-o", "pan", "pan.c"], cwd=folder, check=True, capture_output=True, timeout=120)
    asked = ["-w18", *(["-a", "-f", "-N", claim] if claim else [])]
    done = subprocess.run(["./pan", *asked], cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    found = re.search(r"errors: (\d+)", done.stdout)
    assert found is not None and "too small" not in done.stdout, done.stdout
    if found[1] == "0":
        assert "not completed" not in done.stdout, done.stdout
        return ""
    named = re.search(r"pan:1: (.*) \(at depth", done.stdout)
    assert named is not None, done.stdout
    return named[1]


@pytest.mark.parametrize(("part", "claim"), [
    ("ONE_VIEW", ""), ("TWO_VIEWS", "surplusEnds"), ("TWO_VIEWS", "serviceGoesOn"), ("PROGRESS", "filledAtLast"),
])
def test_theModelHolds(part: str, claim: str, tmp_path: Path) -> None:
    """
    With one view never two mandates for one seat, and no vote counted twice; after a split the surplus ends and service goes on; and a seat
    is filled in the end, whatever messages are lost and though electors crash or are mute.
    """
    assert violated(tmp_path, part, claim) == ""


@pytest.mark.parametrize(("part", "claim", "without", "named"), [
    ("ONE_VIEW", "", "STORED_LATER", "mandate"),
    ("ONE_VIEW", "", "DOUBLE_ACCEPTED", "mandate"),
    ("ONE_VIEW", "", "HALF", "mandate"),
    ("ONE_VIEW", "", "CORRUPT", "mandate"),
    ("ONE_VIEW", "", "DISJOINT", "mandate"),
    ("ONE_VIEW", "", "COUNTED_TWICE", "different"),
    ("TWO_VIEWS", "surplusEnds", "EXPIRY_IGNORED", "acceptance cycle"),
    ("TWO_VIEWS", "surplusEnds", "SURPLUS_STAYS", "acceptance cycle"),
    ("TWO_VIEWS", "serviceGoesOn", "BOTH_RESIGN", "assertion violated"),
    ("PROGRESS", "filledAtLast", "NO_TIMER", "acceptance cycle"),
    ("PROGRESS", "filledAtLast", "NO_REPLACEMENT", "acceptance cycle"),
    ("PROGRESS", "filledAtLast", "BARRED_FOREVER", "acceptance cycle"),
])
def test_withoutARuleItDoesNot(part: str, claim: str, without: str, named: str, tmp_path: Path) -> None:
    """Each rule is needed: without it there is a run that violates the property."""
    assert named in violated(tmp_path, part, claim, without)
