"""Which folders are synced: all but those that cannot be, or that the user leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_exchange.sync.bookmarks import FolderMark

WITHOUT_FEED = frozenset({"SearchFolder"})
"""Folder types that SyncFolderItems does not serve."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The folders that the user wants, as globs of paths or distinguished names, without regard to case.

    A pattern names a folder and all below it: `Inbox` is `Inbox` and `Inbox/*`. Brackets stand for themselves, too:
    `[Gmail]` is the folder of that name, and one of the letters.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def excludes(self, folder_id: str, folders: Mapping[str, FolderMark]) -> bool:
        """Return whether a folder is left out."""
        names = names_of(folder_id, folders)
        if self.include and not any(_matches(pattern, names) for pattern in self.include):
            return True
        return any(_matches(pattern, names) for pattern in self.exclude)

    def forbids(self, folder_id: str, folders: Mapping[str, FolderMark]) -> bool:
        """Return whether a folder is left out by name, not just for not being named."""
        names = names_of(folder_id, folders)
        return any(_matches(pattern, names) for pattern in self.exclude)

    def unmatched(self, trees: Iterable[Mapping[str, FolderMark]]) -> list[str]:
        """Return the patterns that name no folder of any store."""
        left = list(dict.fromkeys([*self.include, *self.exclude]))
        for folders in trees if left else ():
            for folder_id in folders:
                names = names_of(folder_id, folders)
                left = [pattern for pattern in left if not _matches(pattern, names)]
                if not left:
                    return []
        return left


def path_of(folder_id: str, folders: Mapping[str, FolderMark]) -> str:
    """Return a folder's path below the root, its names joined by `/` (a `/` in a name stays as it is)."""
    return "/".join(mark.get("name") or "" for _, mark in _line(folder_id, folders))


def names_of(folder_id: str, folders: Mapping[str, FolderMark]) -> list[str]:
    """Return what a pattern may match: the paths and distinguished names of the folder and its ancestors."""
    names: list[str] = []
    path = ""
    for _, mark in _line(folder_id, folders):
        path = f"{path}/{mark.get('name') or ''}" if path else mark.get("name") or ""
        names.append(path.casefold())
        if distinguished := mark.get("dn"):
            names.append(distinguished.casefold())
    return names


def descendants(folder_ids: frozenset[str], folders: Mapping[str, FolderMark]) -> list[str]:
    """Return the folders below any of the given ones, parents before children; one pass for all."""
    children: dict[str, list[str]] = {}
    for folder_id, mark in folders.items():
        children.setdefault(mark.get("parent", ""), []).append(folder_id)
    found: list[str] = []
    seen = set(folder_ids)
    queue = list(folder_ids)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                queue.append(child)
    return found


def _line(folder_id: str, folders: Mapping[str, FolderMark]) -> list[tuple[str, FolderMark]]:
    """Return the folder and its ancestors, the topmost first; a parent outside the map is the root.

    A server may tell of the root too: a folder then, and on nobody's path but its own.
    """
    line: list[tuple[str, FolderMark]] = []
    seen: set[str] = set()
    while folder_id in folders and folder_id not in seen and not (line and folders[folder_id].get("top")):
        seen.add(folder_id)
        line.append((folder_id, folders[folder_id]))
        folder_id = folders[folder_id].get("parent", "")
    line.reverse()
    return line


def _matches(pattern: str, names: Sequence[str]) -> bool:
    wanted = pattern.casefold().strip("/")
    literal = wanted.replace("[", "[[]")
    return any(fnmatchcase(name, literal) or fnmatchcase(name, wanted) for name in names)
