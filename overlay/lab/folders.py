"""Shares of the lab that lie in real folders, read by the same code as the daemon's, but all at once and never again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overlay.index.document import Document
from overlay.settings import Settings
from overlay.share.child import Failed, digest
from overlay.share.exclusion import Exclusion
from overlay.share.reading import documentOf
from overlay.share.scan import Walk, nameFolders


class ReadFolders:
    """
    @ivar documents: what is shared, in the order of the walk.
    """

    def __init__(self, folders: Sequence[Path], settings: Settings, exclude: Sequence[str] = ()) -> None:
        self._folders = nameFolders(list(folders))
        self._excluded = list(exclude)
        self._skipped: dict[str, list[str]] = {}
        self._bytes = 0
        self.documents: list[Document] = []
        for entry in Walk(self._folders, Exclusion(self._excluded), self._skip).entries():
            if entry is None:
                continue
            try:
                answer = digest(os.fsdecode(entry.path), entry.name, settings.textLimit, settings.termLimit, True)
            except Failed as problem:
                self._skip(str(problem), entry.location)
                continue
            if answer[0]:
                self._skip(answer[0], entry.location)
            self._bytes += entry.size
            self.documents.append(documentOf(entry, answer))

    def _skip(self, reason: str, path: str) -> None:
        self._skipped.setdefault(reason, []).append(path)

    def report(self) -> dict[str, Any]:
        """What is shared, and what not: as far as L{overlay.share.share.Share} says it of folders that do not change."""
        return {
            "folders": [{"path": str(one.path), "name": one.name, "there": one.path.is_dir()} for one in self._folders],
            "files": len(self.documents),
            "waiting": 0,
            "scanning": False,
            "progress": 1.0,
            "read": len(self.documents),
            "bytes read": self._bytes,
            "skipped": {
                reason: {"count": len(paths), "examples": paths[:5]} for reason, paths in sorted(self._skipped.items())
            },
            "excluded": self._excluded,
            "watching": "off",
            "problem": "",
        }
