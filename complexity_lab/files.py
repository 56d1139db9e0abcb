"""Files that are either there as a whole or not at all, and one sentence where the file system refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from complexity_lab.errors import InputError, OutputError

TEMPORARY = ".tmp"  # a suffix, so that nothing that looks for *.parquet sees half a file


def write_atomically(path: Path, data: Any) -> None:
    """Write a file that is either there as a whole or not at all, even after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Turn what the file system refuses into an ``OutputError`` that says what to do."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "no space left; free some and run the same command again, finished models are kept"
        else:
            reason = f"{error.strerror or error}; name another directory with --out"
        raise OutputError(f"cannot write to {directory}: {reason}") from error


@contextmanager
def exclusive_lock(lock_file: Path, busy: str) -> Iterator[None]:
    """Hold a lock that dies with the process, or raise ``OutputError`` with the sentence ``busy``: nobody waits."""
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(busy) from None
    try:
        yield
    finally:
        lock.release()


def keep_file(source: Path, place: Path) -> None:
    """Copy a file into a directory; the same content changes nothing.

    Raises:
        InputError: the file cannot be read.
        OutputError: the directory cannot be written.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}; check the path") from None
    with writing(place.parent):
        if not place.exists() or place.read_bytes() != content:
            write_atomically(place, content)
