"""
Draws the state machines in docs/protocol.md from the code.

C{python docs/machines.py} writes the pictures, C{python docs/machines.py --check} ends with 1 if they are out of date.
"""

import re
import sys
from pathlib import Path
from typing import Any

from overlay.link import life as link
from overlay.roles import home, life, seat

MACHINES: dict[str, Any] = {"link": link, "life": life, "seat": seat, "home": home}
PAGE = Path(__file__).with_name("protocol.md")


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def draw(module: Any) -> str:
    """One machine as a Mermaid state diagram; inputs that change nothing are left out."""
    automaton = module._builder._automaton
    arrows = set()
    for begin, symbol, end, outputs in automaton.allTransitions():
        named = [one.method.__name__.strip("_") for one in outputs if one.method.__name__ != "constant"]
        if begin is not end or named:
            arrows.add(f"    {_identifier(begin.name)} --> {_identifier(end.name)}: {symbol}")
    names = sorted(state.name for state in automaton.states())
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_identifier(automaton.initialState.name)}"]
    lines += [f'    state "{name}" as {_identifier(name)}' for name in names if _identifier(name) != name]
    return "\n".join([*lines, *sorted(arrows), "```"])


def drawn(page: str) -> str:
    """The page with every picture as the code has it now."""
    for name, module in MACHINES.items():
        pattern = re.compile(rf"(<!-- machine: {name} -->\n).*?(<!-- end machine -->)", re.DOTALL)
        if not pattern.search(page):
            raise SystemExit(f"{PAGE} has no place for the machine {name}")
        picture = draw(module)
        page = pattern.sub(lambda match, picture=picture: f"{match[1]}{picture}\n{match[2]}", page)
    return page


if __name__ == "__main__":
    before = PAGE.read_text()
    after = drawn(before)
    if "--check" in sys.argv:
        sys.exit(f"{PAGE} is out of date: run python docs/machines.py" if before != after else 0)
    PAGE.write_text(after)
