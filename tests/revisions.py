"""A hub on the loopback with revisions: each is a repository ``owner/name@revision`` of ``tests.hub``."""

import hashlib
import json

from tests.hub import Fault, Hub, Repository, _Handler

WELL = Fault()


class _Revisions(_Handler):
    """Finds the repository of a revision, which is asked for by its name or by its commit."""

    def _answer(self):
        path, hub = self.path.partition("?")[0], self.server.hub
        kind, mark, rest = "file", "/resolve/", path.removeprefix("/")
        if path.startswith("/api/models/"):
            rest = path.removeprefix("/api/models/")
            kind = next(each for each in ("refs", "tree", "revision") if f"/{each}" in rest)
            mark = f"/{kind}/"
        name, _, place = rest.removesuffix("/refs").partition(mark)
        if kind == "refs":
            self._name_branches(name)
            return
        asked, _, file = place.partition("/")
        revisions = {each.partition("@")[2]: each for each in hub.repositories if each.startswith(f"{name}@")}
        found = [each for revision, each in revisions.items() if asked in (revision, hub.repositories[each].commit)]
        if not found:
            self._refuse(404, "RepoNotFound" if not revisions else "EntryNotFound" if file else "RevisionNotFound")
        elif kind == "tree":
            self._list(hub.repositories[found[0]])
        else:
            self.path = f"/{found[0]}/resolve/x/{file}" if kind == "file" else f"/api/models/{found[0]}"
            super()._answer()

    def _list(self, repository):
        self._send_json(
            [
                {"type": "file", "oid": "0" * 40, "size": len(content), "path": file}
                for file, content in repository.files.items()
            ]
        )

    def _name_branches(self, name):
        names = [each.partition("@")[2] for each in self.server.hub.repositories if each.startswith(f"{name}@")]
        if not names:
            self._refuse(404, "RepoNotFound")
            return
        branches = [{"name": each, "ref": f"refs/heads/{each}", "targetCommit": "0" * 40} for each in ["main", *names]]
        self._send_json({"branches": branches, "converts": [], "tags": []})

    def _send_json(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class RevisionHub(Hub):
    """A hub with revisions."""

    def __init__(self) -> None:
        super().__init__()
        self._server.RequestHandlerClass = _Revisions

    def publish(self, repository: str, revision: str, files: dict[str, bytes], fault: Fault = WELL) -> Repository:
        """Add a revision; its commit is a hash of its name."""
        added = self.add(f"{repository}@{revision}", files, fault)
        added.commit = hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest()
        return added
