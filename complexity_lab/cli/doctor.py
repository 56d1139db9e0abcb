"""``complexity-lab doctor``: versions, devices, hub, caches and disk, with the way out of what is wrong."""

from __future__ import annotations

import os
import shutil
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlparse

import typer

from complexity_lab.cache import cache_directory

LITTLE_DISK = 5 * 10**9  # bytes; a survey of 200 timm models downloads about 25 GB


@dataclass(frozen=True)
class Finding:
    """One checked thing; ``fix`` is empty where nothing is wrong."""

    name: str
    value: str
    fix: str = ""


def doctor_cli(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the hub.")] = 3.0,
) -> None:
    """Check the installation. Exit code 0 if everything needed works, 1 if not; an unreachable hub is no failure."""
    failed = False
    for finding in findings(timeout):
        failed |= finding.fix.startswith("! ")
        print(f"{finding.name:<16}{finding.value}")
        if finding.fix:
            print(f"{'':<16}-> {finding.fix.removeprefix('! ')}")
    raise typer.Exit(1 if failed else 0)


def findings(timeout: float) -> Iterator[Finding]:
    """Yield what is found, most basic first. A fix that begins with ``! `` is for something that must work."""
    yield from _versions()
    yield _tables()
    yield _devices()
    yield _oracle()
    yield _hub(timeout)
    yield from _places()


def _versions() -> Iterator[Finding]:
    from complexity_lab.tables.provenance import versions

    for name, found in versions().items():
        missing = found == "not installed"
        yield Finding(name, found, "! install it: pip install --upgrade complexity-lab" if missing else "")


def _tables() -> Finding:
    from complexity_lab.errors import ComplexityLabError
    from complexity_lab.estimators.ctm import TABLE_SHA256, ctm_table

    try:
        ctm_table((12,))
    except (ComplexityLabError, OSError) as error:
        return Finding("CTM tables", "damaged", f"! {error}")
    return Finding("CTM tables", f"ok, sha256 {TABLE_SHA256[:16]}")


def _devices() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("devices", f"torch does not import ({error})", "! install it again: pip install torch")
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("devices", f"{os.cpu_count()} CPU cores; {', '.join(cuda) or 'no GPU (none is needed)'}")


def _oracle() -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # setuptools announces the end of what pybdm 0.1.0 uses
            import pybdm  # noqa: F401
    except ImportError as error:
        return Finding("pybdm import", f"fails ({error})", "only bench and tests need it: pip install 'setuptools<81'")
    return Finding("pybdm import", "ok")


def _hub(timeout: float) -> Finding:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Finding("hub", "offline by HF_HUB_OFFLINE", "unset it to download weights")
    try:
        address = urlparse(endpoint)
        port = address.port or (443 if address.scheme == "https" else 80)
        with socket.create_connection((address.hostname or endpoint, port), timeout):
            return Finding("hub", f"{endpoint} answers")
    except (OSError, ValueError) as error:
        fix = "without it: --zoo digits, --states initial, or --weights DIRECTORY; a mirror goes into HF_ENDPOINT"
        return Finding("hub", f"{endpoint} does not answer ({error})", fix)


def _places() -> Iterator[Finding]:
    own = cache_directory()
    hub = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    for name, folder in (("cache", own), ("hub cache", hub), ("this directory", Path.cwd())):
        yield _place(name, folder)


def _place(name: str, folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = f"{folder}, {free / 1e9:.0f} GB free"
    if not os.access(existing, os.W_OK):
        return Finding(name, text, "! not writable; change its owner or name another place")
    return Finding(name, text, "little space left; free some or name another place" if free < LITTLE_DISK else "")
