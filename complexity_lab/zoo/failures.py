"""What kept weights from being loaded, in one sentence: from whatever timm, torch and the hub raise."""

from __future__ import annotations

import errno
import http.client
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from complexity_lab.counted import counted
from complexity_lab.errors import ComplexityLabError, OutputError, UnreachableError, WeightsError
from complexity_lab.zoo.card import ModelCard
from complexity_lab.zoo.hub import cache_of, httpx


@contextmanager
def explained(card: ModelCard, file: Path | None) -> Iterator[None]:
    """Turn whatever timm, torch and the hub raise while weights are loaded into one sentence."""
    from huggingface_hub.errors import EntryNotFoundError
    from safetensors import SafetensorError

    # A checkpoint of another model makes timm's conversions fail in any of the first line's ways.
    conversion = (RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError, EOFError)
    transfer = (OSError, SafetensorError, EntryNotFoundError, http.client.HTTPException, httpx().HTTPError)
    try:
        yield
    except UnreachableError as error:
        raise _unreachable(card, str(error)) from error
    except ComplexityLabError:
        raise
    except (*conversion, *transfer) as error:
        raise _sentence(error, card, file) from error


def _which(card: ModelCard, file: Path | None) -> str:
    return f"the weights {file} of {card.id}" if file else f"the pretrained weights of {card.id}"


def _sentence(error: Exception, card: ModelCard, file: Path | None) -> ComplexityLabError:
    """Return the error to raise instead of ``error``."""
    which, text = _which(card, file), " ".join(str(error).split())
    if file is None and (failed := _not_fetched(error, card)) is not None:
        return failed
    if isinstance(error, RuntimeError) and "allocate memory" in text:
        raise MemoryError(f"{which} do not fit into memory") from error
    if text.startswith("Error(s) in loading state_dict"):
        return WeightsError(f"{which} are of another architecture: {_mismatch(str(error))}")
    if isinstance(error, OSError) and file is not None:
        return WeightsError(f"{which} cannot be read: {error.strerror or text}")
    what = f"{type(error).__name__}: {text}"[:200]
    return WeightsError(f"{which} are truncated, corrupt or of another model ({what}); {_again(card, file)}")


def _again(card: ModelCard, file: Path | None) -> str:
    """Say how to get weights that were stored damaged once more."""
    if file is not None:
        return "replace the file"
    if "://" not in card.source:
        return f"delete {cache_of(card.source)} to fetch them again"
    import torch

    return f"delete {Path(torch.hub.get_dir()) / 'checkpoints' / Path(card.source).name} to fetch them again"


def _not_fetched(error: Exception, card: ModelCard) -> ComplexityLabError | None:
    """Return the error of a download that failed, or None where ``error`` came after it."""
    from huggingface_hub import constants, errors

    which = _which(card, None)
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else error
    status = getattr(getattr(cause, "response", None), "status_code", None) or getattr(cause, "code", None)
    if cause is None or isinstance(cause, errors.OfflineModeIsEnabled):
        way_out = f"unset it to download them, or name a directory that holds {card.id}.safetensors"
        return WeightsError(f"{which} are not in the cache and HF_HUB_OFFLINE is set; {way_out}")
    if isinstance(cause, errors.GatedRepoError) or status == 403:
        return WeightsError(f"{which} are gated; accept the terms of {card.source} on the hub and log in (HF_TOKEN)")
    if isinstance(cause, errors.RepositoryNotFoundError):
        return WeightsError(f"{constants.ENDPOINT} has no repository {card.source} for {card.id}, or it is private")
    if isinstance(cause, errors.EntryNotFoundError):
        return WeightsError(f"{card.source} on {constants.ENDPOINT} holds no file of weights that timm reads")
    if isinstance(status, int) and status in (400, 401, 404, 410):
        return WeightsError(f"{which} ({card.source}) are refused with status {status}; is the token (HF_TOKEN) valid?")
    if "Consistency check failed" in str(cause):
        return WeightsError(f"{which} are truncated: the hub announced more bytes than it has; try another mirror")
    if isinstance(cause, OSError) and cause.errno in _DISK:
        return OutputError(f"{which} cannot be stored in {cause.filename or constants.HF_HUB_CACHE}: {cause.strerror}")
    if isinstance(cause, OSError | http.client.HTTPException | httpx().HTTPError):
        return _unreachable(card, " ".join(str(cause).split()) or type(cause).__name__)
    return None


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def _unreachable(card: ModelCard, reason: str) -> UnreachableError:
    from huggingface_hub import constants

    server = card.source if "://" in card.source else constants.ENDPOINT
    way_out = "check the network and HF_ENDPOINT, or name a directory of weights"
    return UnreachableError(f"{_which(card, None)} cannot be fetched from {server}: {reason}; {way_out}")


def _mismatch(text: str) -> str:
    """Condense torch's report on a state dict that does not fit."""
    parts = []
    for what in ("Missing", "Unexpected"):
        if keys := re.search(rf"{what} key\(s\) in state_dict: (.*?)\. *$", text, re.MULTILINE):
            parts.append(f"{what.lower()} {some(keys[1].replace(chr(34), '').split(', '))}")
    shapes = re.findall(r"size mismatch for (\S+): .*?torch\.Size\((.*?)\) .*?torch\.Size\((.*?)\)", text)
    if shapes:
        name, found, wanted = shapes[0]
        parts.append(f"{len(shapes)} of another shape, such as {name} with {found} instead of {wanted}")
    return "; ".join(parts) or " ".join(text.split())[:200]


def some(names: Sequence[str]) -> str:
    """Say how many tensors there are and name the first ones."""
    more = ", ..." if len(names) > 3 else ""
    return f"{counted(len(names), 'tensor')} ({', '.join(names[:3])}{more})"
