"""Files by what they hold: size, time of change and SHA-256, so that weights replaced under one name are noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileIdentity:
    """One file as it was when its rows were made."""

    path: str
    size: int
    modified: int  # nanoseconds
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileIdentity | None:
        """Return the identity of a file; None if it cannot be read, which its measurement says better."""
        try:
            status = path.stat()
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return cls(str(path), status.st_size, status.st_mtime_ns, digest)

    def still_holds(self) -> bool:
        """Tell whether the file is the same: by size and time, and by its content where only the time differs."""
        path = Path(self.path)
        try:
            status = path.stat()
        except OSError:
            return True  # what went away cannot be measured again; its rows stand
        if status.st_size != self.size:
            return False
        if status.st_mtime_ns == self.modified:
            return True
        found = FileIdentity.of(path)
        return found is not None and found.sha256 == self.sha256


def identities(paths: Iterable[Path]) -> tuple[FileIdentity, ...]:
    """Return the identities of those files that can be read."""
    return tuple(found for found in map(FileIdentity.of, paths) if found is not None)
