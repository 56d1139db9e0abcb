"""The zoo of timm's pretrained models: one module per model, measured as initialized and then as trained.

Weights come from a hub (``HF_ENDPOINT`` names a mirror, ``HF_HUB_OFFLINE`` keeps to the cache) or from a directory of
``NAME.safetensors``, through timm's own loader, so a checkpoint is converted as ``create_model`` would convert it.
Initial weights need no file: ``initial(seed)`` has the values of ``torch.manual_seed(seed)`` followed by
``timm.create_model(id)``.
"""

from __future__ import annotations

import importlib
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.errors import ComplexityLabError, InputError, WeightsError
from complexity_lab.zoo.card import ModelCard, TrainedFacts
from complexity_lab.zoo.catalogue import complete, config_of, read
from complexity_lab.zoo.failures import explained, some
from complexity_lab.zoo.hub import commit_of, downloaded, patient, quiet, wait_for_hub

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.weights.from_module import ModuleWeights

# torch's generator, timm's loader and the hub's session are global to a process: one model at a time uses them.
_ALONE = threading.RLock()

Load = Callable[["nn.Module"], None]  # timm's loader with all that an entry point gives it but the module


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

    def files(self, card: ModelCard) -> tuple[Path, ...]:
        """Return the local file of a model's weights; none if they come from the hub."""
        found = _file_of(card, self)
        return () if found is None else (found,)

    def only(self, card: ModelCard) -> TimmZoo:
        """Return this zoo, which is as small for one model as for all."""
        del card
        return self

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
    not be read again (all its tensors are of size zero). ``trained`` loads into the last module, which is not
    initialized again for it.
    """

    initial_seeds: tuple[int, ...] | None = None

    def __init__(self, card: ModelCard, zoo: TimmZoo) -> None:
        self.card = card
        self.zoo = zoo
        self.trained_seeds: tuple[int | None, ...] = (None,) if card.source or _file_of(card, zoo) else ()
        self._module: nn.Module | None = None
        self._load: Load | None = None
        self._revision: Future[str] | None = None

    def initial(self, seed: int) -> ModuleWeights:
        """Return the weights that ``torch.manual_seed(seed); timm.create_model(id)`` would have."""
        from complexity_lab.weights.from_module import ModuleWeights

        if self._module is not None:
            _release(self._module)
            self._module = None
        self._module, self._load = build(self.card.id, seed, self._overlay())
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
        if self._module is None:
            self._module, self._load = build(self.card.id, 0, self._overlay())
        module, self._module = self._module, None
        try:
            self._revision = load_pretrained(module, self.card, self.zoo, self._load)
        except ComplexityLabError:
            _release(module)  # nobody may read the mixture that a load leaves when it fails midway
            raise
        self._module = module
        return ModuleWeights(module, f"{self.card.id} with pretrained weights")

    def facts(self) -> TrainedFacts:
        """Return the revision of the trained weights: the hub's commit, or CRC-32 and size of the file."""
        return TrainedFacts(revision="" if self._revision is None else self._revision.result())

    def _overlay(self) -> dict[str, Any] | None:
        """Say where weights will come from, or None if that is not known before they are fetched, or nowhere."""
        file = _file_of(self.card, self.zoo)
        if file is not None:
            return {"file": str(file)}
        return {} if self.card.source and "://" not in self.card.source and self.zoo.weights_dir is None else None


def _release(module: nn.Module) -> None:
    """Free the memory of a module, even where a source still refers to it."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.new_empty(0)


def build(model_id: str, seed: int, overlay: dict[str, Any] | None) -> tuple[nn.Module, Load | None]:
    """Return a freshly initialized module on the CPU; torch's global generator is left as it was.

    With an ``overlay`` of timm's pretrained configuration, timm's call of its loader comes back with the module, to be
    made later: only a model's entry point knows how its checkpoint is converted and how strictly it is loaded.

    Every seed builds anew. Drawing again in place (``reset_parameters`` of every layer, then the model's
    ``init_weights``) was tried on the smallest architecture of 86 families of timm 1.0.31: it gives the bits of a fresh
    build in 16, values of the same spread in 28, and leaves parameters of the seed before in 13. It costs 0.11 seconds
    on average, a build 0.22.
    """
    import timm
    import torch

    # entering torch.device costs a tenth of a build, so only where it changes something
    on_cpu = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    with _ALONE, quiet(), torch.random.fork_rng(devices=[]), on_cpu:
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the caller's GPUs too
        if overlay is None:
            return timm.create_model(model_id, pretrained=False), None
        with _loader_waits() as loads:
            module: nn.Module = timm.create_model(model_id, pretrained=True, pretrained_cfg_overlay=overlay)
    return module, loads[-1] if loads else None


def load_pretrained(module: nn.Module, card: ModelCard, zoo: TimmZoo, load: Load | None) -> Future[str]:
    """Load the pretrained weights of ``card`` into ``module`` with timm's own loader; return their revision to come.

    A local file is read again for its checksum, beside the measurements.
    """
    file = _file_of(card, zoo)
    if file is None and zoo.weights_dir is not None:
        raise WeightsError(f"{zoo.weights_dir} holds no {card.id}.safetensors; add it, or leave the directory out")
    if file is None and not card.source:
        raise WeightsError(f"{card.id} has no pretrained weights in timm; survey its initial weights alone")
    with _ALONE, quiet(), explained(card, file):
        if file is None and "://" in card.source:
            file = downloaded(card.source, zoo.timeout)
        if file is not None:
            left_out = _load_into(module, card.id, {"file": str(file)}, load)
        else:
            with patient(zoo.timeout):
                wait_for_hub(card.source)
                left_out = _load_into(module, card.id, {}, load)
    _freeze(module, left_out, card)
    beside = ThreadPoolExecutor(1)
    revision = beside.submit(commit_of, card.source) if file is None else beside.submit(_digest, file)
    beside.shutdown(wait=False)
    return revision


def _file_of(card: ModelCard, zoo: TimmZoo) -> Path | None:
    """Return the local file of a model's weights, if there is one."""
    if zoo.weights_dir is None:
        return None
    files = (Path(zoo.weights_dir) / f"{name}.safetensors" for name in (card.id, card.architecture))
    return next((file for file in files if file.exists()), None)


def _load_into(module: nn.Module, model_id: str, overlay: dict[str, Any], load: Load | None) -> tuple[str, ...]:
    """Let timm load pretrained weights into ``module``; return the names that they do not cover.

    Without the loader's call from when the module was built, the entry point runs once more, with tensors that have no
    storage, and its call of the loader is handed ``module``.
    """
    import timm
    import torch

    loads: list[tuple[str, ...]] = []
    watch: Any = module.register_load_state_dict_post_hook
    hook = watch(lambda _, keys: loads.append(tuple(keys.missing_keys)))
    try:
        if load is not None:
            load(module)
        else:
            with _loader_fills(module), torch.device("meta"):
                timm.create_model(model_id, pretrained=True, pretrained_cfg_overlay=overlay)
    finally:
        hook.remove()
    if not loads:
        raise WeightsError(f"timm loaded nothing into {model_id}, so its weights are still the initial ones")
    return loads[-1]


@contextmanager
def _loader_waits() -> Iterator[list[Load]]:
    """Keep timm's calls of its loader, in this thread, instead of making them."""
    _builder: Any = importlib.import_module("timm.models._builder")
    loader, thread = _builder.load_pretrained, threading.get_ident()
    loads: list[Load] = []

    def wait(built: nn.Module, *args: Any, **options: Any) -> None:
        if threading.get_ident() != thread:
            loader(built, *args, **options)
            return
        loads.append(lambda module: loader(module, *args, **options))

    _builder.load_pretrained = wait
    try:
        yield loads
    finally:
        _builder.load_pretrained = loader


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
        raise WeightsError(f"the pretrained weights of {card.id} lack {some(matrices or untrained)}")
    for name in untrained:
        parameters[name].requires_grad_(False)


def _digest(file: Path) -> str:
    """Return CRC-32 and size of a file: they tell versions of a file apart at a seventh of the time of a SHA-256."""
    checksum = 0
    with file.open("rb") as opened:
        while piece := opened.read(1 << 22):
            checksum = zlib.crc32(piece, checksum)
    return f"crc32:{checksum:08x}, {file.stat().st_size} bytes"
