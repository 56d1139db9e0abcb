"""A small model hub on the loopback: what huggingface_hub's downloads ask for, with faults on demand.

``with Hub() as hub`` serves until the block ends. ``hub.add("timm/x", {"model.safetensors": content})`` publishes a
repository, with a ``Fault`` if it shall misbehave. ``hub.environment(home)`` is what a subprocess needs to use it;
``hub.attach(monkeypatch, home)`` does the same to the huggingface_hub that is imported in this process.
"""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

CHUNK = 1 << 14  # bytes that are written at a time
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Fault:
    """How a repository misbehaves; the default does not."""

    status: int | None = None  # answer everything with this status
    code: str = ""  # X-Error-Code that goes with it
    times: int | None = None  # only the first so many requests misbehave; None: all of them
    silence: float = 0.0  # seconds before an answer begins
    delay: float = 0.0  # seconds before each chunk of a body
    cut: float | None = None  # share of a body after which the connection closes
    announce: int = 0  # bytes that metadata announces beyond the real size


GATED = Fault(status=403, code="GatedRepo")
BROKEN = Fault(status=500)


@dataclass
class Repository:
    """Files of one model and how it misbehaves."""

    files: dict[str, bytes]
    fault: Fault = Fault()
    commit: str = COMMIT
    requests: list[str] = field(default_factory=list)  # "GET model.safetensors", in order


class Hub:
    """A hub on 127.0.0.1, in threads of this process."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address to put into HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, repository: str, files: Mapping[str, bytes], fault: Fault = Fault()) -> Repository:
        """Publish a repository; return it, with the requests that it gets."""
        self.repositories[repository] = Repository(dict(files), fault)
        return self.repositories[repository]

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a subprocess that uses this hub with a cache of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_"))}
        return {
            **kept,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def attach(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Make this process's huggingface_hub use this hub with a cache of its own."""
        attach(monkeypatch, self.url, home)


def attach(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Point this process's huggingface_hub, which reads its environment once, at ``url`` and the cache ``home``."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up on purpose in these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Requests are kept by the repository instead."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path.startswith("/api/models/"):
            self._describe(self.path.removeprefix("/api/models/").partition("/revision/")[0])
            return
        name, _, rest = self.path.removeprefix("/").partition("/resolve/")
        repository, file = self.server.hub.repositories.get(name), rest.partition("/")[2]
        if repository is None:
            self._refuse(404, "RepoNotFound")
            return
        repository.requests.append(f"{self.command} {file}")
        fault = repository.fault
        if fault.times is not None and len(repository.requests) > fault.times:
            fault = Fault()
        self.server.hub.closing.wait(fault.silence)
        if fault.status is not None:
            self._refuse(fault.status, fault.code, repository)
        elif file not in repository.files:
            self._refuse(404, "EntryNotFound", repository)
        else:
            self._send(repository, repository.files[file], fault)

    def _refuse(self, status: int, code: str, repository: Repository | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if repository is not None:
            self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _describe(self, name: str) -> None:
        """Answer the question what a repository holds."""
        repository = self.server.hub.repositories.get(name)
        if repository is None:
            self._refuse(404, "RepoNotFound")
            return
        siblings = [{"rfilename": file} for file in repository.files]
        body = json.dumps({"id": name, "sha": repository.commit, "siblings": siblings}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send(self, repository: Repository, content: bytes, fault: Fault) -> None:
        start = self._start(len(content))
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", etag)
        self.send_header("X-Linked-ETag", etag)
        self.send_header("X-Linked-Size", str(len(content) + fault.announce))
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            with suppress(ConnectionError):
                self._write(content[start:], fault)

    def _start(self, size: int) -> int:
        """Return the first byte that was asked for: ``Range: bytes=START-``."""
        start = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        return min(int(start or 0), size)

    def _write(self, content: bytes, fault: Fault) -> None:
        end = len(content) if fault.cut is None else int(fault.cut * len(content))
        for at in range(0, end, CHUNK):
            self.server.hub.closing.wait(fault.delay)
            self.wfile.write(content[at : min(at + CHUNK, end)])
        if end < len(content):
            self.close_connection = True
