"""Fetching weights in bounded time: a hub that is silent, slow or gone is given up, whatever its library would do."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from complexity_lab.errors import UnreachableError

_TRIES = 6  # of huggingface_hub for one download that does not advance
_SLOWEST = 10_000  # bytes per second; slower than this over a whole timeout counts as not answering


def cache_of(repository: str) -> Path:
    """Return the directory in which huggingface_hub keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")


def commit_of(repository: str) -> str:
    """Return the commit of the main branch that the hub's cache holds."""
    reference = cache_of(repository) / "refs" / "main"
    return reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""


def httpx() -> Any:
    """Return the HTTP library that this version of huggingface_hub speaks through (httpx, or a fork of it)."""
    from huggingface_hub import get_session

    return importlib.import_module(type(get_session()).__module__.partition(".")[0])


@contextmanager
def patient(timeout: float) -> Iterator[None]:
    """Bound every request of the hub's session while the context lasts.

    The hub's library reads its timeouts when it is imported, and tries a download again as often as ``_TRIES`` says.
    Hooks on its session make ``timeout`` hold for all tries together, whatever was imported when.
    """
    from huggingface_hub import get_session

    def ask(request: Any) -> None:
        wait = _wait(request.method, timeout)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), wait)

    def listen(response: Any) -> None:
        response.stream = _watched(response.stream, timeout)

    session = get_session()
    hooks = session.event_hooks
    session.event_hooks = {"request": [*hooks["request"], ask], "response": [*hooks["response"], listen]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def _wait(method: str, timeout: float) -> float:
    """Return how long one request may wait, in seconds: as the environment says, or a share of ``timeout``."""
    from huggingface_hub import constants

    name = "HF_HUB_ETAG_TIMEOUT" if method == "HEAD" else "HF_HUB_DOWNLOAD_TIMEOUT"
    return float(getattr(constants, name)) if os.environ.get(name) else timeout / _TRIES


def _watched(body: Any, timeout: float) -> Any:
    """Return a response's body that gives up when it trickles: each chunk is in time, but there is no end to it."""

    class Watched(httpx().SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            since, received = time.monotonic(), 0
            for chunk in body:
                received += len(chunk)
                if (elapsed := time.monotonic() - since) > timeout:
                    if received < _SLOWEST * elapsed:
                        raise UnreachableError(f"it sent {received:,} bytes in {elapsed:.0f} seconds")
                    since, received = time.monotonic(), 0
                yield chunk

        def close(self) -> None:
            body.close()

    return Watched()


def wait_for_hub(repository: str) -> None:
    """Ask the hub up to three times whether it is there, unless its answer is not needed.

    The hub's library would repeat a failed request for minutes; what is in its cache, it takes from there at once.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode() or any(cache_of(repository).glob("snapshots/*/*model*")):
        return
    for pause in (0.5, 1.0, None):  # seconds
        silence = _silence(repository)
        if silence is None:
            return
        if pause is None:
            raise silence
        time.sleep(pause)


def _silence(repository: str) -> UnreachableError | None:
    """Return why the hub gives no answer, or None where it gives one, be it that there is no such repository."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        metadata = get_hf_file_metadata(hf_hub_url(repository, "model.safetensors"))
        if metadata.commit_hash is None:
            return UnreachableError("what answers there is no hub (no X-Repo-Commit)")
    except (EntryNotFoundError, HfHubHTTPError) as error:
        response = getattr(error, "response", None)
        if response is not None and response.status_code >= 500:
            return UnreachableError(f"it answers with status {response.status_code}")
    except httpx().TransportError as error:
        return UnreachableError(f"it does not answer ({str(error) or type(error).__name__})")
    return None


def downloaded(url: str, timeout: float) -> Path:
    """Fetch weights that are on no hub into the cache of torch.hub, which sets no timeout of its own."""
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled
    from timm.models._hub import check_cached_file, download_cached_file

    if constants.is_offline_mode() and not check_cached_file(url, check_hash=False):
        raise OfflineModeIsEnabled(url)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        return Path(download_cached_file(url, check_hash=False, progress=False))
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep timm and the hub's library from writing to the terminal; what matters is raised."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    loggers = [logging.getLogger(name) for name in ("timm", "huggingface_hub")]
    levels, bars = [logger.level for logger in loggers], not are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        if bars:
            disable_progress_bars()
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if bars:
                enable_progress_bars()
