"""C{make bench}: measures the store, links, leaves, the daemon, the lab and the analysis of text, and prints a table."""

import argparse
import json
from pathlib import Path

from bench.daemon import measureDaemon
from bench.figure import Figure, table
from bench.lab import measureLab
from bench.leaves import measureLeaves
from bench.noise import Noise
from bench.store import measureStore
from bench.text import measureText

PARTS = ("store", "leaves", "daemon", "lab", "text")
OUTPUT = Path("bench.json")
FULL = 1_000_000
"""Records at which the store and its links are held to their bounds: what each search costs beside its rows weighs more with fewer."""


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; all if none is named")
    parser.add_argument(
        "--records", type=int, default=100_000, metavar="N", help=f"records in the store, of 1,000 owners (full size: {FULL})"
    )
    parser.add_argument("--files", type=int, default=1000, metavar="N", help="files that the daemon shares")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of measurements of speed, but for the daemon")
    parser.add_argument("--json", type=Path, default=OUTPUT, metavar="FILE", help=f"write the figures to FILE ({OUTPUT})")
    given = parser.parse_args()
    parts = given.parts or PARTS
    for part in parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are: {', '.join(PARTS)}")
    whole: dict[str, list[Figure]] = {}
    said: list[str] = []
    noise = Noise()
    for part in parts:
        noise.look()
        if part == "store":
            whole[part], more = measureStore(given.records, given.rounds)
            said += more
            if given.records != FULL:
                said.append(f"store: its bounds are for {FULL:,} records; here it had {given.records:,}")
        elif part == "leaves":
            whole[part] = measureLeaves(1)
        elif part == "daemon":
            whole[part] = measureDaemon(given.files)
        else:
            whole[part] = (measureLab if part == "lab" else measureText)(given.rounds)
        print(table(whole[part]), flush=True)
    noise.look()
    said.append(noise.said())
    print("\n".join(said))
    rows = [
        {"part": part, "figure": one.name, "value": one.value, "bound": one.bound, "met": one.met}
        for part, figures in whole.items() for one in figures
    ]
    given.json.write_text(json.dumps({"figures": rows, "said": said}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
