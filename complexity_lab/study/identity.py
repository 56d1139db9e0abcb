"""Files by what they hold: size, time of change and SHA-256, so that weights replaced under one name are noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread


@dataclass(frozen=True)
class FileIdentity:
    """One file as it was when its rows were made."""

    path: str
    size: int
    modified: int  # nanoseconds
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileIdentity | None:
        """Return the identity of a file; None if it cannot be read, which its measurement says better.

        A file that changes meanwhile has no SHA-256: it may be measured from either content, and never holds.
        """
        try:
            before = path.stat()
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = path.stat()
        except OSError:
            return None
        same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        return cls(str(path), before.st_size, before.st_mtime_ns, digest if same else "")

    def still_holds(self) -> bool:
        """Tell whether the file is the same: by size and time, and by its content where only the time differs."""
        path = Path(self.path)
        try:
            status = path.stat()
        except OSError:
            return True  # what went away cannot be measured again; its rows stand
        if status.st_size != self.size or not self.sha256:
            return False
        if status.st_mtime_ns == self.modified:
            return True
        found = FileIdentity.of(path)
        return found is not None and found.sha256 == self.sha256


class Identification:
    """Identifies files in a thread beside what is done with them; nobody waits for it if that is interrupted."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._found: tuple[FileIdentity, ...] = ()
        self._thread = Thread(target=self._identify, daemon=True)
        self._thread.start()

    def _identify(self) -> None:
        self._found = tuple(found for found in map(FileIdentity.of, self._paths) if found is not None)

    def result(self) -> tuple[FileIdentity, ...]:
        """Return the identities of those files that can be read, once they are known."""
        self._thread.join()
        return self._found
