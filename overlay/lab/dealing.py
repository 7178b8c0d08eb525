"""Deals a tree of files out to several peers, and says what is to be shared of it, without the code that the peers use."""

import os
import shutil
from pathlib import Path

from overlay.errors import UsageError
from overlay.share.exclusion import Exclusion


def dealt(tree: Path, count: int, staging: Path, exclusion: Exclusion) -> list[list[Path]]:
    """
    The tree's sub-folders in groups of about as many files; loose files are linked into folders of their own.

    @param count: of groups.
    @param staging: where these folders are made.
    @raise UsageError: there is nothing to share.
    """
    folders: list[tuple[int, Path]] = []
    loose: list[Path] = []
    for one in sorted(tree.iterdir()):
        if exclusion.reason(one.name, one.name, one.is_dir()) or one.is_symlink():
            continue
        if one.is_dir():
            folders.append((len(filesOf(one, exclusion)), one))
        elif one.is_file():
            loose.append(one)
    if not folders and not loose:
        raise UsageError(f"there is nothing to share in {tree}")
    groups: list[list[Path]] = [[] for _ in range(count)]
    sizes = [0] * count
    for files, path in sorted(folders, key=lambda one: (-one[0], one[1])):
        at = sizes.index(min(sizes))
        groups[at].append(path)
        sizes[at] += files
    for number, path in enumerate(loose):
        at = number % count if max(sizes) == 0 else sizes.index(min(sizes))
        staged = staging / f"loose{at}"
        staged.mkdir(parents=True, exist_ok=True)
        _place(path, staged / path.name)
        if staged not in groups[at]:
            groups[at].append(staged)
        sizes[at] += 1
    return groups


def filesOf(folder: Path, exclusion: Exclusion) -> list[Path]:
    """The files of a folder that are to be shared."""
    found = []
    for top, folders, files in os.walk(folder):
        inner = Path(top).relative_to(folder)
        folders[:] = [
            one for one in folders
            if not exclusion.reason(str(inner / one), one, True) and not os.path.islink(os.path.join(top, one))
        ]
        for one in files:
            path = Path(top, one)
            shared = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
            if shared and not exclusion.reason(str(inner / one), one, False):
                found.append(path)
    return found


def _place(path: Path, where: Path) -> None:
    try:
        os.link(path, where)
    except OSError:
        shutil.copy2(path, where)
