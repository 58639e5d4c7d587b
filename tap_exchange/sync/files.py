"""Contents as files of a folder, local or anywhere that fsspec reaches: `<folder>/<two digits of the key>/<key>`.

A file is named by its attachment's key, never by anything that a mail says. It appears whole or not at all: a local
one is written beside its place and renamed; others are gathered on the local disk first, then handed over in one go.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from tap_exchange.ews.errors import FatalError

if TYPE_CHECKING:
    from typing import BinaryIO

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"})
"""They show an object when all of it is there; elsewhere a file is written beside its place, then moved."""

MARK = ".tap-exchange"
PART = ".part-"
GATHERED = ".tap-exchange-part-"
"""Begins the names of parts in the system's folder for temporary files, which is others' too."""
LEFT_OVER = 24 * 3600
"""Seconds after which a part was left by a run that was killed."""

LONGEST_REASON = 200


class FileStore:
    """A folder for contents; used by many threads."""

    def __init__(self, address: str) -> None:
        """Reach a folder, and write a mark into it to see that it can be written.

        Raises:
            FatalError: it cannot; in one line, why.
        """
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only for those who want files
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        self._shown = without_password(address)
        try:
            self._files, root = url_to_fs(address)
            protocols = self._files.protocol
            self._is_local = isinstance(self._files, LocalFileSystem)
            self._root = root.rstrip("/")
            named = {protocols} if isinstance(protocols, str) else set(protocols)
            self._is_atomic = not named.isdisjoint(OBJECT_STORES)
            if self._is_local:
                Path(root).mkdir(parents=True, exist_ok=True)
                _remove_left_over(Path(root), PART)
            else:
                _remove_left_over(Path(tempfile.gettempdir()), GATHERED)
        except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
            self.refuse(error)
        self.begin(MARK).keep()

    def begin(self, name: str) -> InFile:
        """Begin a new file, which gets its name when it is kept."""
        try:
            if self._is_local:
                path = Path(self._root, PART + secrets.token_hex(8))
                return InFile(self, name, path, path.open("xb"))
            descriptor, temporary = tempfile.mkstemp(prefix=GATHERED)
            return InFile(self, name, Path(temporary), os.fdopen(descriptor, "wb"))
        except OSError as error:
            self.refuse(error)

    def put(self, written: Path, name: str) -> str:
        """Give a whole file its place, and return where that is; raises FatalError."""
        place = f"{self._root}/{name}"
        try:
            if self._is_local:
                Path(place).parent.mkdir(exist_ok=True)
                written.replace(place)
                return place
            if self._is_atomic:
                self._files.put_file(str(written), place)
            else:
                beside = f"{place}{PART}{secrets.token_hex(8)}"
                self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(written), beside)
                self._files.mv(beside, place)
            return str(self._files.unstrip_protocol(place))
        except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
            self.refuse(error)

    def refuse(self, error: Exception) -> NoReturn:
        """Raise the one line that tells why nothing can be written."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        reason = (reason or type(error).__name__)[:LONGEST_REASON]
        line = f"attachment_dir: {self._shown} cannot be written ({reason})"
        raise FatalError(line, code="AttachmentDir") from None


class InFile:
    """One content on its way into a file."""

    def __init__(self, store: FileStore, name: str, path: Path, file: BinaryIO) -> None:
        """Write to an open `file` at `path`, which becomes `name` in the store."""
        self._store = store
        self._name = name
        self._path = path
        self._file = file

    def write(self, piece: bytes) -> None:
        """Take the next bytes; raises FatalError when the disk does not."""
        try:
            self._file.write(piece)
        except OSError as error:
            self._store.refuse(error)

    def keep(self) -> dict[str, Any]:
        """Put the file where it belongs, and return the column that tells where; raises FatalError."""
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            return {"content_path": self._store.put(self._path, self._name)}
        except OSError as error:
            self._store.refuse(error)
        finally:
            self.discard()

    def discard(self) -> None:
        """Drop what is not kept."""
        with contextlib.suppress(OSError):
            self._file.close()
            self._path.unlink(missing_ok=True)


def file_name(key: str) -> str:
    """Return the name of the file of an attachment's key, below the folder."""
    return f"{key[:2]}/{key}"


def _remove_left_over(folder: Path, prefix: str) -> None:
    for part in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > LEFT_OVER:
                part.unlink()


def without_password(address: str) -> str:
    """Return an address without the user and password that it may hold."""
    host = urlsplit(address).netloc
    return address.replace(host, host.rpartition("@")[2], 1) if "@" in host else address
