"""The zoo of timm's pretrained models: one module per model, measured as initialized and then as trained.

Weights come from a hub (``HF_ENDPOINT`` names a mirror, ``HF_HUB_OFFLINE`` keeps to the cache) or from a directory of
``NAME.safetensors``, through timm's own loader, so a checkpoint is converted as ``create_model`` would convert it.
Initial weights need no file: ``initial(seed)`` has the values of ``torch.manual_seed(seed)`` followed by
``timm.create_model(id)``.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib
import logging
import os
import re
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.errors import ComplexityLabError, InputError, OutputError, UnreachableError, WeightsError
from complexity_lab.zoo.card import ModelCard, TrainedFacts
from complexity_lab.zoo.catalogue import complete, config_of, read

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.weights.from_module import ModuleWeights

# torch's generator, timm's loader and the hub's session are global to a process: one model at a time uses them.
_ALONE = threading.RLock()
_TRIES = 6  # of huggingface_hub for one download that does not advance
_SLOWEST = 10_000  # bytes per second; slower than this over a whole timeout counts as not answering


@dataclass(frozen=True)
class TimmZoo:
    """All pretrained models of timm, as the shipped catalogue lists them.

    ``weights_dir`` is a directory of ``NAME.safetensors`` (an id or an architecture), used instead of the hub.
    ``timeout`` is how long the hub may be silent, in seconds, before it is given up; ``HF_HUB_ETAG_TIMEOUT`` and
    ``HF_HUB_DOWNLOAD_TIMEOUT``, where they are set, are the wait of one request.
    """

    weights_dir: Path | None = None
    timeout: float = 60.0
    name = "timm"

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise InputError(f"timeout is {self.timeout} seconds; it must be above 0")
        if self.weights_dir is not None and not Path(self.weights_dir).is_dir():
            raise InputError(f"weights_dir {self.weights_dir} is not a directory; it must hold NAME.safetensors files")

    def cards(self) -> Sequence[ModelCard]:
        """List every pretrained tag, sorted by id, without network and without importing timm."""
        return read().cards

    def card(self, model_id: str) -> ModelCard:
        """Return the card of an id (``resnet18.a1_in1k``) or of an architecture (its default tag).

        Raises:
            UnknownNameError: timm has no such model; the message suggests the nearest names.
        """
        return read().find(model_id) or complete(model_id)

    def open(self, card: ModelCard) -> OpenTimm:
        """Open a model; nothing is built or fetched before its weights are asked for.

        Raises:
            UnknownNameError: the installed timm has no such model.
        """
        config_of(card.id)
        return OpenTimm(card, self)


class OpenTimm:
    """One timm model. Any seed has initial weights; there is one set of trained weights, or none.

    At most one module holds memory: a further ``initial`` empties the last one, so a source that was read before must
    not be read again (it raises). ``trained`` loads into the last module, which is not initialized again for it.
    """

    initial_seeds: tuple[int, ...] | None = None

    def __init__(self, card: ModelCard, zoo: TimmZoo) -> None:
        self.card = card
        self.zoo = zoo
        self.trained_seeds: tuple[int | None, ...] = (None,) if card.source or _file_of(card, zoo) else ()
        self._module: nn.Module | None = None
        self._facts = TrainedFacts()

    def initial(self, seed: int) -> ModuleWeights:
        """Return the weights that ``torch.manual_seed(seed); timm.create_model(id)`` would have."""
        from complexity_lab.weights.from_module import ModuleWeights

        if self._module is not None:
            self._module.to_empty(device="meta")  # frees the memory even where a source still refers to the module
            self._module = None
        self._module = build(self.card.id, seed)
        return ModuleWeights(self._module, f"{self.card.id} initialized with seed {seed}")

    def trained(self, seed: int | None = None) -> ModuleWeights:
        """Return the pretrained weights, loaded by timm into the module that ``initial`` built last.

        Parameters that the pretrained weights do not have (the last norm of a headless ConvNeXt) are frozen, so they
        are skipped with that reason rather than measured as if they had been trained.

        Raises:
            UnreachableError: the hub does not answer, or answers too slowly.
            WeightsError: there are no such weights, access is denied, or the file is corrupt or of another model.
        """
        from complexity_lab.weights.from_module import ModuleWeights

        if seed is not None:
            raise InputError(f"trained seed {seed} of {self.card.id} does not exist; timm has one set, seed None")
        module = build(self.card.id, seed=0) if self._module is None else self._module
        self._module = None
        try:
            revision = load_pretrained(module, self.card, self.zoo)
        except ComplexityLabError:
            module.to_empty(device="meta")  # nobody may read the mixture that a load leaves when it fails midway
            raise
        self._module, self._facts = module, TrainedFacts(revision=revision)
        return ModuleWeights(module, f"{self.card.id} with pretrained weights")

    def facts(self) -> TrainedFacts:
        """Return the revision of the trained weights: the hub's commit, or 16 hex digits of the file's SHA-256."""
        return self._facts


def build(model_id: str, seed: int) -> nn.Module:
    """Return a freshly initialized module on the CPU; torch's global generator is left as it was.

    Every seed builds anew. Drawing again in place (``reset_parameters`` of every layer, then the model's
    ``init_weights``) was tried on the smallest architecture of 86 families of timm 1.0.31: it gives the bits of a fresh
    build in 16, values of the same spread in 28, and leaves parameters of the seed before in 13. It costs 0.11 seconds
    on average, a build 0.22.
    """
    import timm
    import torch

    with _ALONE, _quiet(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the caller's GPUs too
        model: nn.Module = timm.create_model(model_id, pretrained=False)
    return model


def load_pretrained(module: nn.Module, card: ModelCard, zoo: TimmZoo) -> str:
    """Load the pretrained weights of ``card`` into ``module`` with timm's own loader; return their revision."""
    file = _file_of(card, zoo)
    if file is None and zoo.weights_dir is not None:
        raise WeightsError(f"{zoo.weights_dir} holds no {card.id}.safetensors; add it, or leave the directory out")
    if file is None and not card.source:
        raise WeightsError(f"{card.id} has no pretrained weights in timm; survey its initial weights alone")
    with _ALONE, _quiet(), _explained(card, file):
        if file is None and "://" in card.source:
            file = _downloaded(card.source, zoo.timeout)
        if file is not None:
            left_out = _load_into(module, card.id, {"file": str(file)})
        else:
            with _patient(zoo.timeout):
                _wait_for_hub(card.source)
                left_out = _load_into(module, card.id, {})
    _freeze(module, left_out, card)
    return _commit(card.source) if file is None else _digest(file)


def _file_of(card: ModelCard, zoo: TimmZoo) -> Path | None:
    """Return the local file of a model's weights, if there is one."""
    if zoo.weights_dir is None:
        return None
    files = (Path(zoo.weights_dir) / f"{name}.safetensors" for name in (card.id, card.architecture))
    return next((file for file in files if file.exists()), None)


def _load_into(module: nn.Module, model_id: str, overlay: dict[str, Any]) -> tuple[str, ...]:
    """Let timm load pretrained weights into ``module``; return the names that they do not cover.

    Only a model's entry point knows how its checkpoint is converted and how strictly it is loaded. So the entry point
    runs once more, with tensors that have no storage, and its call of the loader is handed ``module``.
    """
    import timm
    import torch

    loads: list[tuple[str, ...]] = []
    watch: Any = module.register_load_state_dict_post_hook
    hook = watch(lambda _, keys: loads.append(tuple(keys.missing_keys)))
    try:
        with _loader_fills(module), torch.device("meta"):
            timm.create_model(model_id, pretrained=True, pretrained_cfg_overlay=overlay)
    finally:
        hook.remove()
    if not loads:
        raise WeightsError(f"timm loaded nothing into {model_id}, so its weights are still the initial ones")
    return loads[-1]


@contextmanager
def _loader_fills(module: nn.Module) -> Iterator[None]:
    """Make timm's loader fill ``module`` instead of the model that was just built, in this thread."""
    import torch

    _builder: Any = importlib.import_module("timm.models._builder")
    loader, thread = _builder.load_pretrained, threading.get_ident()

    def fill(built: nn.Module, *args: Any, **options: Any) -> None:
        if threading.get_ident() != thread:
            loader(built, *args, **options)
            return
        with torch.device("cpu"):
            loader(module, *args, **options)

    _builder.load_pretrained = fill
    try:
        yield
    finally:
        _builder.load_pretrained = loader


def _freeze(module: nn.Module, left_out: Sequence[str], card: ModelCard) -> None:
    """Freeze vectors that the pretrained weights lack where timm allows it; a matrix that they lack is an error."""
    parameters = dict(module.named_parameters())
    untrained = [name for name in left_out if name in parameters]
    matrices = [name for name in untrained if parameters[name].ndim > 1]
    if matrices or len(untrained) == len(parameters):
        raise WeightsError(f"the pretrained weights of {card.id} lack {_some(matrices or untrained)}")
    for name in untrained:
        parameters[name].requires_grad_(False)


def _commit(repository: str) -> str:
    """Return the commit of the main branch that the hub's cache holds."""
    reference = _cache_of(repository) / "refs" / "main"
    return reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""


def _cache_of(repository: str) -> Path:
    """Return the directory in which huggingface_hub keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


# --- a hub that is silent or slow ------------------------------------------------------------------------------------


def _httpx() -> Any:
    """Return the HTTP library that this version of huggingface_hub speaks through (httpx, or a fork of it)."""
    from huggingface_hub import get_session

    return importlib.import_module(type(get_session()).__module__.partition(".")[0])


@contextmanager
def _patient(timeout: float) -> Iterator[None]:
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

    class Watched(_httpx().SyncByteStream):  # type: ignore[misc]
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


def _wait_for_hub(repository: str) -> None:
    """Ask the hub up to three times whether it is there, unless its answer is not needed.

    The hub's library would repeat a failed request for minutes; what is in its cache, it takes from there at once.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode() or any(_cache_of(repository).glob("snapshots/*/*model*")):
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
    except _httpx().TransportError as error:
        return UnreachableError(f"it does not answer ({str(error) or type(error).__name__})")
    return None


def _downloaded(url: str, timeout: float) -> Path:
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


# --- what went wrong, in a sentence ----------------------------------------------------------------------------------


@contextmanager
def _explained(card: ModelCard, file: Path | None) -> Iterator[None]:
    """Turn whatever timm, torch and the hub raise while weights are loaded into one sentence."""
    from huggingface_hub.errors import EntryNotFoundError
    from safetensors import SafetensorError

    # A checkpoint of another model makes timm's conversions fail in any of the first line's ways.
    conversion = (RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError, EOFError)
    transfer = (OSError, SafetensorError, EntryNotFoundError, http.client.HTTPException, _httpx().HTTPError)
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
        return f"delete {_cache_of(card.source)} to fetch them again"
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
    if isinstance(cause, OSError | http.client.HTTPException | _httpx().HTTPError):
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
            parts.append(f"{what.lower()} {_some(keys[1].replace(chr(34), '').split(', '))}")
    shapes = re.findall(r"size mismatch for (\S+): .*?torch\.Size\((.*?)\) .*?torch\.Size\((.*?)\)", text)
    if shapes:
        name, found, wanted = shapes[0]
        parts.append(f"{len(shapes)} of another shape, such as {name} with {found} instead of {wanted}")
    return "; ".join(parts) or " ".join(text.split())[:200]


def _some(names: Sequence[str]) -> str:
    """Say how many tensors there are and name the first ones."""
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} ({', '.join(names[:3])}{more})"


@contextmanager
def _quiet() -> Iterator[None]:
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
