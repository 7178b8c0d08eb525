"""
Draws the state machines in the documents from the code.

C{python docs/machines.py} writes the pictures, C{python docs/machines.py --check} ends with 1 if they are out of date.
"""

import re
import sys
from pathlib import Path
from typing import Any

from overlay.link import life as link
from overlay.roles import home, life, seat

MACHINES: dict[str, Any] = {"link": link, "life": life, "seat": seat, "home": home}
PAGES = {"protocol.md": ("link", "home"), "election.md": ("life", "seat")}
"""Which page shows which."""


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def draw(module: Any) -> str:
    """One machine as a Mermaid state diagram; inputs that change nothing are left out."""
    automaton = module._builder._automaton
    arrows = set()
    for begin, symbol, end, outputs in automaton.allTransitions():
        if begin is not end or any(one.method.__name__ != "returns(None)" for one in outputs):
            arrows.add(f"    {_identifier(begin.name)} --> {_identifier(end.name)}: {symbol}")
    names = sorted(state.name for state in automaton.states())
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_identifier(automaton.initialState.name)}"]
    lines += [f'    state "{name}" as {_identifier(name)}' for name in names if _identifier(name) != name]
    return "\n".join([*lines, *sorted(arrows), "```"])


def drawn(path: Path) -> str:
    """A page with every picture as the code has it now."""
    page = path.read_text()
    for name in PAGES[path.name]:
        pattern = re.compile(rf"(<!-- machine: {name} -->\n).*?(<!-- end machine -->)", re.DOTALL)
        if not pattern.search(page):
            raise SystemExit(f"{path} has no place for the machine {name}")
        picture = draw(MACHINES[name])
        page = pattern.sub(lambda match, picture=picture: f"{match[1]}{picture}\n{match[2]}", page)
    return page


if __name__ == "__main__":
    pages = [Path(__file__).with_name(name) for name in PAGES]
    if "--check" in sys.argv:
        old = [str(path) for path in pages if path.read_text() != drawn(path)]
        sys.exit(f"{', '.join(old)} out of date: run python docs/machines.py" if old else 0)
    for path in pages:
        path.write_text(drawn(path))
