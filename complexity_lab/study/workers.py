"""Worker processes end with the process that they work for, whatever ended it.

A worker looks twice a second whether its parent is still there. The parent kills its workers at once on Ctrl-C and on
the signals that end it; only SIGKILL leaves it no time, and then the workers notice by themselves.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_LOOK_EVERY = 0.5  # seconds
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")  # those that the system has
_watched: set[int] = set()


def end_with(parent: int) -> None:
    """Have this process end within a second of ``parent``, and leave Ctrl-C to it. Calling it again changes nothing.

    A terminal sends Ctrl-C to every process, and the parent stops its workers.
    """
    if parent in _watched:
        return
    _watched.add(parent)
    with suppress(ValueError):  # not in the main thread, where signals cannot be set
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    direct = os.getppid() == parent
    threading.Thread(target=_wait_for_end, args=(parent, direct), daemon=True).start()


def _wait_for_end(parent: int, direct: bool) -> None:
    while os.getppid() == parent if direct else _is_alive(parent):
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def _is_alive(process: int) -> bool:
    """Tell whether a process runs; one that ended and that nobody has waited for does not."""
    import psutil

    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def workers_end_with_me() -> Iterator[None]:
    """Kill the workers of this process when it is interrupted or ended by a signal; in other threads do nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C; the workers are dead by then, and further ones are ignored until this ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        del number, frame
        interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        kill_workers()
        raise KeyboardInterrupt

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        kill_workers()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ending = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt)}
    before |= {number: signal.signal(number, end) for number in ending}
    try:
        yield
    except BaseException as error:
        # what joblib makes of workers that were killed; a generator that is closed has to end as it is
        if interrupted and not isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def kill_workers() -> None:
    """Kill joblib's worker processes, and what they started, without waiting for them."""
    import psutil
    from joblib.externals.loky import reusable_executor

    running = reusable_executor._executor
    for process in list(getattr(running, "_processes", None) or ()):
        with suppress(psutil.NoSuchProcess):
            worker = psutil.Process(process)
            for each in (*worker.children(recursive=True), worker):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
