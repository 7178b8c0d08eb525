"""Shares of the lab that lie in real folders."""

import os
from pathlib import Path

from overlay.lab.folders import ReadFolders
from overlay.settings import Settings


def test_readFolders(tmp_path: Path) -> None:
    """Files become what the daemon would share of them, within the settings' limits; what is left out is said as the daemon says it."""
    share = tmp_path / "papers"
    (share / "old").mkdir(parents=True)
    (share / "a.txt").write_text("Bloom filters, bloom!")
    (share / "old" / "b.html").write_text("<style>p {}</style><p>caf\N{LATIN SMALL LETTER E WITH ACUTE}</p>", "utf-8")
    (share / ".hidden").write_text("secret")
    (share / "c.bak").write_text("kept out")
    (share / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (share / "out").symlink_to("/etc/passwd")
    os.utime(share / "a.txt", (1_600_000_000, 1_600_000_000))
    read = ReadFolders([share], Settings(textLimit=5), ["*.bak"])
    first, broken, second = read.documents
    assert (first.location, first.name, first.text, first.length) == ("papers/a.txt", "a.txt", "Bloom", 3)
    assert (first.terms, first.mediaType, first.size, first.modified) == ((("bloom", 2), ("filters", 1)), "text/plain", 21, 1_600_000_000)
    assert (broken.location, broken.text, broken.terms) == ("papers/broken.pdf", "", ())
    assert (second.location, second.terms, second.text) == ("papers/old/b.html", (("cafe", 1),),
                                                            "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    report = read.report()
    assert (report["files"], report["progress"], report["problem"]) == (3, 1.0, "")
    assert {reason: entry["count"] for reason, entry in report["skipped"].items()} == {
        "excluded": 1, "extraction failed": 1, "hidden": 1, "link out of the share": 1
    }


def test_aFolderThatIsNotThere(tmp_path: Path) -> None:
    """It shares nothing, and the report says so."""
    read = ReadFolders([tmp_path / "gone"], Settings())
    assert read.documents == [] and not read.report()["folders"][0]["there"]
