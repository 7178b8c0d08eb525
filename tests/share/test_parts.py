"""The parts of the share room: what is left out, what is walked, what is read from files of many kinds."""

import io
import os
import struct
from pathlib import Path

import msgspec
import pytest

from overlay.share import child
from overlay.share.cache import Cache
from overlay.share.exclusion import Exclusion
from overlay.share.extract import Extracted, decodeText, htmlText, mediaTypeOf, textOf
from overlay.share.scan import Walk, nameFolders
from overlay.storage import MemoryStorage


@pytest.mark.parametrize(
    ("path", "folder", "reason"),
    [
        ("a.txt", False, ""), (".env", False, "hidden"), (".git", True, "hidden"), ("CVS", True, "version control"),
        ("CVS", False, ""), ("id_rsa.pub", False, "key file"), ("Server.PEM", False, "key file"), ("keys.kdbx", False, "key file"),
        ("x.bak", False, "excluded"), ("deep/tmp", True, "excluded"), ("tmp", True, ""), ("build", True, "excluded"),
    ],
)
def test_exclusion(path: str, folder: bool, reason: str) -> None:
    """Hidden files, version control, keys, and the user's patterns by name or by path."""
    exclusion = Exclusion(["*.bak", "deep/tmp", "build/"])
    assert exclusion.reason(path, path.rpartition("/")[2], folder) == reason


def walked(folders: list[Path], *patterns: str, without: Path | None = None) -> tuple[list[str], list[str]]:
    skipped: list[str] = []
    walk = Walk(nameFolders(folders), Exclusion(patterns), lambda reason, path: skipped.append(reason), without=without)
    return sorted(one.location for one in walk.entries() if one is not None), sorted(skipped)


def test_walk(tmp_path: Path) -> None:
    """Files below the folder, under its name; odd names, links, pipes and the peer's own state are seen to."""
    share = tmp_path / "share"
    (share / "deep" / "er").mkdir(parents=True)
    (share / "state").mkdir()
    for name in ("a.txt", "deep/b.txt", "deep/er/c.txt", "state/secret", "deep/.hidden", "x.bak"):
        (share / name).write_text("x")
    with open(os.fsencode(share) + b"/bad\xff.txt", "wb"):
        pass
    (share / "inner").symlink_to(share / "a.txt")
    (share / "outer").symlink_to("/etc/passwd")
    (share / "loop").symlink_to(share)
    (share / "broken").symlink_to(share / "nothing")
    os.mkfifo(share / "pipe")
    (share / ("n" * 200)).mkdir()
    locations, skipped = walked([share], "*.bak", without=share / "state")
    assert locations == ["share/a.txt", "share/bad\ufffd.txt", "share/deep/b.txt", "share/deep/er/c.txt", "share/inner"]
    assert skipped == ["excluded", "hidden", "link out of the share", "link to a folder", "not a file", "unreadable"]


def test_foldersOfOneName(tmp_path: Path) -> None:
    """Two folders of one name get different ones in locations."""
    for parent in ("one", "two"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "a").write_text(parent)
    assert walked([tmp_path / "one" / "docs", tmp_path / "two" / "docs"])[0] == ["docs-2/a", "docs/a"]
    assert nameFolders([Path("/")])[0].name == "root"


def test_below(tmp_path: Path) -> None:
    """One path of a share is looked at as a walk would: a file, a folder, nothing, something excluded."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("x")
    (tmp_path / ".hid").mkdir()
    (tmp_path / ".hid" / "b.txt").write_text("x")
    walk = Walk(nameFolders([tmp_path]), Exclusion(), lambda reason, path: None)
    (folder,) = nameFolders([tmp_path])

    def found(inner: str) -> list[str]:
        return [one.location for one in walk.below(folder, os.fsencode(tmp_path / inner)) if one is not None]

    name = tmp_path.name
    assert found("deep") == found("deep/a.txt") == [f"{name}/deep/a.txt"]
    assert found(".hid/b.txt") == found("nothing") == []
    assert found("") == [f"{name}/deep/a.txt"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.md", "text/markdown"), ("a.PY", "text/x-python"), ("a.rs", "text/x-rust"), ("a.pdf", "application/pdf"),
        ("a.html", "text/html"), ("a.tar.gz", "application/gzip"), ("a.Z", "application/octet-stream"),
        ("README", "application/octet-stream"), ("a.yaml", "application/yaml"),
    ],
)
def test_mediaTypes(name: str, kind: str) -> None:
    """By the name alone."""
    assert mediaTypeOf(name) == kind


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"), ("\ufeffgr\u00fc\u00df".encode(), "gr\u00fc\u00df"), ("gr\u00fc".encode("utf-16"), "gr\u00fc"),
        ("gr\u00fc\u00df Gott".encode("latin-1"), "gr\u00fc\u00df Gott"), (b"\0\1\2", None), (bytes(range(128, 160)) * 9, None),
        ("gr\u00fc".encode()[:-1], "gr"),
    ],
)
def test_encodings(data: bytes, text: str | None) -> None:
    """UTF-8, UTF-16 with a mark, else Latin-1 if it looks like text; binary is none."""
    assert decodeText(data) == text


def test_html() -> None:
    """What a reader sees, without scripts and styles; broken markup is borne."""
    page = "<title>T</title><style>x{}</style><p>one<br>two&amp;<b>bold</b></p><script>no()</script></div></script>after<"
    assert htmlText(page).text.split() == ["T", "one", "two&bold", "after<"]


def pdf(text: str) -> bytes:
    """A PDF of one page, made by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def test_digest(tmp_path: Path) -> None:
    """Hash, size, kind, text within its limit, and the terms of all of it."""
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf("Bloom filters save space"))
    problem, size, _, content, kind, text, terms, length, _ = child.digest(str(path), "a.pdf", 12, 512, True)
    assert (problem, size, kind, text, length) == ("", path.stat().st_size, "application/pdf", "Bloom ", 4)
    assert len(content) == 32 and dict(terms) == {"bloom": 1, "filters": 1, "save": 1, "space": 1}
    assert child.digest(str(path), "a.pdf", 0, 512, True)[5] == ""
    assert child.digest(str(path), "a.pdf", 12, 512, False)[5:] == ("", (), 0, "")
    path.write_bytes(b"%PDF-1.4 nonsense")
    assert child.digest(str(path), "a.pdf", 12, 512, True)[0] == "extraction failed"
    (tmp_path / "x.png").write_bytes(b"text all the same")
    assert textOf(str(tmp_path / "x.png"), "image/png", b"text") == Extracted()


@pytest.mark.parametrize(
    ("text", "size", "kept"),
    [
        ("the red herring", 11, "the red "), ("the red herring", 15, "the red herring"), ("the red herring", 7, "the red"),
        ("the red-herring", 8, "the red-"), ("the red-herring", 9, "the red-"), ("red caf\u00e9s", 8, "red "),
        ("x" * 70, 68, "x" * 68), ("\u65e5\u672c\u8a9e" * 40, 300, "\u65e5\u672c\u8a9e" * 33 + "\u65e5"), ("", 5, ""), ("one", 0, ""),
    ],
)
def test_noWordIsCutOff(tmp_path: Path, text: str, size: int, kept: str) -> None:
    """What is left of a word at the end of the text that is kept would be another word; only of what has no end some must do."""
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert child.digest(str(path), "a.txt", size, 512, True)[5] == kept


def test_whatCannotBeRead(tmp_path: Path) -> None:
    """What is gone, a folder or a pipe is a reason, not an error, and never blocks."""
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("gone", "vanished"), ("pipe", "not a file"), (".", "not a file")):
        with pytest.raises(child.Failed, match=reason):
            child.digest(str(tmp_path / name), "x", 0, 1, True)


def test_childsProtocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests in, answers out, each with its number; the end of the input ends it."""
    (tmp_path / "a.txt").write_text("one two")
    requests = b""
    for number, name in enumerate(("a.txt", "gone.txt")):
        encoded = msgspec.msgpack.encode((number, os.fsencode(tmp_path / name), name, 100, 10, True, ""))
        requests += struct.pack(">I", len(encoded)) + encoded
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(requests)))
    monkeypatch.setattr(child.resource, "setrlimit", lambda *args: None)
    monkeypatch.setattr(child.os, "nice", lambda value: 0)
    real, redirected = os.dup, []
    monkeypatch.setattr(child.os, "dup", lambda number: real(writer))
    monkeypatch.setattr(child.os, "dup2", lambda *args: redirected.append(args))
    child.main()
    os.close(writer)
    answers = []
    with os.fdopen(reader, "rb") as stream:
        monkeypatch.undo()
        data = os.read(stream.fileno(), 65536)
    while data:
        size = int.from_bytes(data[:4], "big")
        answers.append(msgspec.msgpack.decode(data[4 : 4 + size]))
        data = data[4 + size :]
    assert [(one[0], one[1], one[2]) for one in answers] == [(0, "", 7), (1, "vanished", -1)] and redirected == [(2, 1)]


def test_cache() -> None:
    """Fresh only if size, time, place and the text limit are the same; damaged rows are as none."""
    table = MemoryStorage().table("files")
    cache = Cache(table, 100)
    cache.put([(b"/s/a", cache.make(5, 7, "s/a", "")), (b"/s/d/b", cache.make(1, 1, "s/d/b", "why"))])
    held = cache.get(b"/s/a")
    assert held is not None and cache.isFresh(held, 5, 7, "s/a")
    assert not cache.isFresh(held, 5, 8, "s/a") and not Cache(table, 99).isFresh(held, 5, 7, "s/a")
    assert cache.below(b"/s/d") == [b"/s/d/b"] and cache.paths() == [b"/s/a", b"/s/d/b"]
    table.put(b"/s/a", b"\xc1")
    assert cache.get(b"/s/a") is None and cache.get(b"/none") is None
    cache.remove([b"/s/a"])
    assert cache.paths() == [b"/s/d/b"]
