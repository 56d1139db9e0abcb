"""Ctrl-C: one sentence and exit code 130, at once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # 128 + SIGINT, as shells count


@contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """End the process on Ctrl-C without waiting for threads that compress: they cannot be stopped."""
    try:
        yield
    except KeyboardInterrupt:
        print(sentence, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
