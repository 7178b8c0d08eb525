"""Walks the shared folders, a few entries at a time."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from overlay.share.exclusion import Exclusion
from overlay.wire import limits


@attrs.frozen(slots=True)
class Entry:
    """
    One file.

    @ivar path: as the operating system has it.
    @ivar location: as others see it.
    """

    path: bytes
    location: str
    name: str
    size: int
    modified: int


@attrs.frozen(slots=True)
class Folder:
    """
    One shared folder.

    @ivar name: the first part of its locations; unique among the folders of a share.
    """

    path: Path
    name: str


def nameFolders(paths: "list[Path]") -> list[Folder]:
    """Give each folder a name of its own: its last part, with a number where two are alike."""
    taken: set[str] = set()
    folders = []
    for path in paths:
        whole = Path(os.path.abspath(path))
        base = presentable(os.fsencode(whole.name)) or "root"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        folders.append(Folder(whole, name))
    return folders


def presentable(name: bytes) -> str:
    """A file's name as text; bytes that are not UTF-8 become U+FFFD."""
    return name.decode("utf-8", "replace")


class Walk:
    """
    One walk over all folders.

    @ivar skipped: called with (reason, path) for what is left out.
    """

    def __init__(
        self, folders: list[Folder], exclusion: Exclusion, skipped: Callable[[str, str], None],
        entered: Callable[[bytes], None] = lambda path: None, without: Path | None = None,
    ) -> None:
        """
        @param entered: called with each folder that is walked.
        @param without: a folder that is not shared wherever it lies: the peer's own state.
        """
        self._folders = folders
        self._exclusion = exclusion
        self._skipped = skipped
        self._entered = entered
        self._without = os.fsencode(os.path.realpath(without)) if without is not None else None

    def entries(self) -> Iterator[Entry | None]:
        """Every file; None now and then, when time has passed without one."""
        for folder in self._folders:
            root = os.fsencode(os.path.realpath(folder.path))
            yield from self._walk(os.fsencode(folder.path), folder.name, "", root)

    def below(self, folder: Folder, path: bytes) -> Iterator[Entry | None]:
        """Every file below one path of a shared folder, or the file itself."""
        top = os.fsencode(folder.path)
        inner = presentable(os.path.relpath(path, top).replace(os.fsencode(os.sep), b"/"))
        inner = "" if inner == "." else inner
        root = os.fsencode(os.path.realpath(top))
        if inner:
            parts = inner.split("/")
            for number, name in enumerate(parts):
                last = number == len(parts) - 1
                if self._exclusion.reason("/".join(parts[: number + 1]), name, not last or os.path.isdir(path)):
                    return
            if not os.path.isdir(path) or os.path.islink(path):
                try:
                    found = self._file(path, f"{folder.name}/{inner}", parts[-1], root)
                except OSError:
                    return
                if found is not None:
                    yield found
                return
        yield from self._walk(path, f"{folder.name}/{inner}".rstrip("/"), inner, root)

    def _walk(self, path: bytes, location: str, inner: str, root: bytes) -> Iterator[Entry | None]:
        if self._without is not None and os.path.realpath(path) == self._without:
            return
        self._entered(path)
        try:
            with os.scandir(path) as listing:
                found = sorted(listing, key=lambda one: one.name)
        except OSError:
            self._skipped("unreadable", presentable(path))
            return
        yield None
        for one in found:
            name = presentable(one.name)
            below = f"{inner}/{name}" if inner else name
            where = f"{location}/{name}"
            try:
                folder = one.is_dir(follow_symlinks=False)
                reason = self._exclusion.reason(below, name, folder)
                if reason:
                    self._skipped(reason, presentable(one.path))
                    continue
                if folder:
                    yield from self._walk(one.path, where, below, root)
                    continue
                file = self._file(one.path, where, name, root)
            except OSError:
                self._skipped("unreadable", presentable(one.path))
                continue
            if file is not None:
                yield file

    def _file(self, path: bytes, location: str, name: str, root: bytes) -> Entry | None:
        """
        @raise OSError: it cannot be looked at.
        """
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(path)
            if not (real + b"/").startswith(root + b"/"):
                self._skipped("link out of the share", presentable(path))
                return None
            if os.path.isdir(real):
                self._skipped("link to a folder", presentable(path))
                return None
            status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            self._skipped("not a file", presentable(path))
            return None
        if len(location.encode("utf-8", "replace")) > limits.LOCATION or len(name) > limits.NAME:
            self._skipped("name too long", presentable(path))
            return None
        return Entry(path, location, name, status.st_size, status.st_mtime_ns)
