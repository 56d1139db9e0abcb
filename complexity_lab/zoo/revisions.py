"""Checkpoints of one training in revisions of a hub repository, as Pythia has them: step0, step1, ..., step143000."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from complexity_lab.errors import (
    ComplexityLabError,
    InputError,
    OutputError,
    UnknownNameError,
    UnreachableError,
    nearest_names,
)
from complexity_lab.zoo.hub import cache_of, httpx, patient, quiet, wait_for_hub
from complexity_lab.zoo.series import in_order, step_of, weight_files
from complexity_lab.zoo.sources import INDEX

SAFETENSORS = ["*.safetensors", INDEX]
TORCH = ["pytorch_model.bin"]
PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class HubCheckpoint:
    """The weights of one revision.

    Attributes:
        repository: ``owner/name``.
        revision: branch, tag or commit.
        step: the number in its name.
        timeout: how long the hub may be silent, seconds.
        keep: leave the download in the hub's cache; else it goes when its context ends.
    """

    repository: str
    revision: str
    step: int
    timeout: float = 60.0
    keep: bool = True

    @property
    def label(self) -> str:
        """``owner/name@revision``."""
        return f"{self.repository}@{self.revision}"

    @contextmanager
    def files(self) -> Iterator[tuple[Path, ...]]:
        """Fetch the weights, safetensors where there are some; what is in the cache is not fetched again."""
        with self._cache() as cache:
            yield weight_files(self._fetched(cache))

    def _cache(self) -> AbstractContextManager[str | None]:
        return nullcontext(None) if self.keep else tempfile.TemporaryDirectory(prefix="complexity-lab-")

    def _fetched(self, cache: str | None) -> Path:
        from huggingface_hub import snapshot_download

        with _explained(self.label), quiet(), patient(self.timeout):
            for wanted in (SAFETENSORS, TORCH):
                found = Path(
                    snapshot_download(self.repository, revision=self.revision, allow_patterns=wanted, cache_dir=cache)
                )
                if found.is_dir() and any(found.glob(wanted[0])):
                    return found
        raise UnreachableError(f"{self.label} holds no *.safetensors and no {TORCH[0]}")


def in_revisions(
    repository: str, revisions: Sequence[str], *, timeout: float = 60.0, keep: bool = True
) -> list[HubCheckpoint]:
    """Return the checkpoints of revisions, in the order of their steps.

    Args:
        repository: ``owner/name``.
        revisions: names with a step in them, and patterns such as ``step*`` for the repository's branches and tags.
        timeout: how long the hub may be silent, seconds.
        keep: leave downloads in the hub's cache.

    Raises:
        InputError: no revisions, one without a step in its name, or two of one step.
        UnknownNameError: no such repository, or no branch or tag fits a pattern.
        UnreachableError: the hub does not answer.
    """
    if not revisions:
        raise InputError(f"{repository} without revisions; name them with --revisions step0,step512 or 'step*'")
    known = _known(repository, timeout) if any(map(PATTERN.search, revisions)) else ()
    names: dict[str, None] = {}
    for revision in revisions:
        fitting = [name for name in known if fnmatchcase(name, revision)] if PATTERN.search(revision) else [revision]
        if not fitting:
            hint = nearest_names(revision, known) or f"; it has {', '.join(known[:5])}, ..."
            raise UnknownNameError(f"{repository} has no branch or tag that fits {revision!r}{hint}")
        names |= dict.fromkeys(fitting)
    steps = {name: step_of(name) for name in names}
    for name, step in steps.items():
        if step is None:
            raise InputError(f"revision {name!r} of {repository} has no step in its name, wanted one such as step512")
    return in_order([HubCheckpoint(repository, name, step or 0, timeout, keep) for name, step in steps.items()])


def _known(repository: str, timeout: float) -> tuple[str, ...]:
    """Return the branches and tags of a repository; offline, those whose weights the cache may hold."""
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return tuple(sorted(path.name for path in (cache_of(repository) / "refs").glob("*")))
    with _explained(repository), quiet(), patient(timeout):
        wait_for_hub(repository)
        found = HfApi(endpoint=constants.ENDPOINT).list_repo_refs(repository)  # the module's own reads it once
    return tuple(reference.name for reference in (*found.branches, *found.tags))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn whatever the hub's library raises into one sentence."""
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except ComplexityLabError as error:
        if isinstance(error, UnreachableError):
            raise UnreachableError(f"{what} cannot be fetched: {error}; {_WAY_OUT}") from None
        raise
    except HFValidationError:
        raise UnknownNameError(f"{what} is no directory and no hub repository of the form owner/name") from None
    except (OSError, httpx().HTTPError) as error:
        raise _sentence(error, what) from error


_WAY_OUT = "check the network, HF_ENDPOINT and HF_HUB_OFFLINE, then run again with --retry-failed"


def _sentence(error: Exception, what: str) -> ComplexityLabError:
    from huggingface_hub import errors

    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    repository, _, revision = what.partition("@")
    if isinstance(cause, errors.GatedRepoError):
        return UnreachableError(f"{repository} is gated; accept its terms on the hub and log in (HF_TOKEN)")
    if isinstance(cause, errors.RepositoryNotFoundError):
        return UnknownNameError(f"the hub has no repository {repository}, or it is private")
    if isinstance(cause, errors.RevisionNotFoundError):
        return UnknownNameError(f"{repository} has no revision {revision}")
    if isinstance(cause, OSError) and cause.filename and not isinstance(cause, UnreachableError):
        return OutputError(f"{what} cannot be stored in {cause.filename}: {cause.strerror}")
    reason = " ".join(str(cause).split())[:200] or type(cause).__name__
    return UnreachableError(f"{what} cannot be fetched: {reason}; {_WAY_OUT}")
