"""Other search engines over the same records, each giving whole rows, best first."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from overlay.index.record import openHead
from overlay.index.store import StoredRecord


class Rival(Protocol):
    """@ivar name: for the table."""

    name: str

    def search(self, terms: Sequence[str], want: int) -> int:
        """Find the best records that have all terms, and read their rows; how many there are."""

    def close(self) -> None:
        """No use afterwards."""


class Fts5:
    """SQLite's full-text index, as it is by default, with the rows in the same table."""

    name = "SQLite FTS5"

    def __init__(self, folder: Path, records: Iterable[StoredRecord]) -> None:
        self._database = sqlite3.connect(folder / "fts5.sqlite")
        self._database.execute("PRAGMA synchronous = off")
        self._database.execute("PRAGMA journal_mode = wal")
        self._database.execute("PRAGMA mmap_size = 4294967296")
        self._database.execute("CREATE VIRTUAL TABLE records USING fts5(name, text, stored UNINDEXED)")
        self._database.executemany(
            "INSERT INTO records VALUES (?, ?, ?)",
            ((openHead(one.head).location, one.text.decode(), one.head + one.signature + one.key) for one in records),
        )
        self._database.execute("INSERT INTO records (records) VALUES ('optimize')")
        self._database.commit()

    def search(self, terms: Sequence[str], want: int) -> int:
        rows = self._database.execute(
            "SELECT stored, text, rank FROM records WHERE records MATCH ? ORDER BY rank LIMIT ?", (" ".join(terms), want)
        ).fetchall()
        return len(rows)

    def close(self) -> None:
        self._database.close()


class Tantivy:
    """tantivy, from Python; one field for all words, and the rows stored beside."""

    name = "tantivy"

    def __init__(self, folder: Path, records: Iterable[StoredRecord]) -> None:
        import tantivy  # of the extra "bench"

        self._module: Any = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("words", stored=False, index_option="freq")
        builder.add_bytes_field("stored", stored=True, indexed=False)
        self._schema = builder.build()
        place = folder / "tantivy"
        place.mkdir()
        index = tantivy.Index(self._schema, str(place))
        writer = index.writer(128 << 20, 1)
        for one in records:
            document = tantivy.Document()
            document.add_text("words", openHead(one.head).location + " " + one.text.decode())
            document.add_bytes("stored", one.head + one.signature + one.key + one.text)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher = index.searcher()

    def search(self, terms: Sequence[str], want: int) -> int:
        query = self._module.Query
        must = self._module.Occur.Must
        whole = query.boolean_query([(must, query.term_query(self._schema, "words", one)) for one in terms])
        rows = [self._searcher.doc(address)["stored"] for _, address in self._searcher.search(whole, want).hits]
        return len(rows)

    def close(self) -> None:
        """Nothing to do."""


def rivals(folder: Path, records: "Iterable[StoredRecord]") -> tuple[list[Rival], list[str]]:
    """
    @param records: gives the same again each time.
    @return: those that are installed, and what to say of the others.
    """
    found: list[Rival] = [Fts5(folder, records)]
    missing: list[str] = []
    try:
        found.append(Tantivy(folder, records))
    except ImportError:
        missing.append("tantivy is not installed, and is not measured: pip install 'superpeer[bench]'")
    return found, missing
