"""Trained digits networks on disk: one safetensors file per network and seed, with its accuracy and origin."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import filelock
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from complexity_lab.cache import CACHE_VARIABLE, cache_directory
from complexity_lab.errors import OutputError, WeightsError
from complexity_lab.zoo.digits_networks import DigitsNetwork
from complexity_lab.zoo.digits_training import TrainedNetwork, build

logger = logging.getLogger(__name__)


def cache_path(root: Path | None, network: DigitsNetwork, seed: int) -> Path:
    """Return the file of a network: below ``root``, else below the program's cache directory."""
    return (root or cache_directory()) / "digits" / network.hash / f"{network.architecture}-seed{seed}.safetensors"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file's lock, so that a second process waits for the training of the first instead of repeating it.

    Raises:
        OutputError: the directory cannot be made or written.
    """
    lock = filelock.FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


def read(path: Path, network: DigitsNetwork, seed: int) -> TrainedNetwork | None:
    """Return a network from the cache, or None where there is none that can be trusted.

    A truncated, corrupt or foreign file is logged as a warning and counts as missing: the weights are trained again.
    """
    if not path.is_file():
        return None
    try:
        return _verified(path, network, seed)
    except (WeightsError, SafetensorError, OSError) as error:
        logger.warning("%s is not used and will be trained again: %s", path, error)
        return None


def _verified(path: Path, network: DigitsNetwork, seed: int) -> TrainedNetwork:
    with safe_open(path, framework="pt") as file:
        facts: dict[str, str] = file.metadata() or {}
        state: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for fact, value in _identity(network, seed).items():
        _require(facts, fact, value)
    module = build(network, seed).eval()
    if layout(state) != layout(module.state_dict()):
        raise WeightsError(f"its tensors are not those of {network.architecture}")
    _require(facts, "digest", digest(state))
    module.load_state_dict(state)
    return TrainedNetwork(module, _accuracy(facts, "validation_accuracy"), _accuracy(facts, "test_accuracy"))


def _require(facts: Mapping[str, str], fact: str, value: str) -> None:
    if facts.get(fact) != value:
        raise WeightsError(f"its {fact} is {facts.get(fact)}, not {value}")


def _accuracy(facts: Mapping[str, str], key: str) -> float:
    try:
        value = float(facts[key])
    except (KeyError, ValueError) as error:
        raise WeightsError(f"its {key} is missing or not a number") from error
    if not 0 <= value <= 1:
        raise WeightsError(f"its {key} is {value}, not in 0..1")
    return value


def write(path: Path, network: DigitsNetwork, seed: int, trained: TrainedNetwork) -> None:
    """Store a network; the file appears whole or not at all.

    Raises:
        OutputError: the directory cannot be written, or the disk is full.
    """
    state = {name: tensor.contiguous() for name, tensor in trained.module.state_dict().items()}
    origin = {name: version(name) for name in ("torch", "timm", "scikit-learn")}
    accuracies = {
        "validation_accuracy": repr(trained.validation_accuracy),
        "test_accuracy": repr(trained.test_accuracy),
    }
    payload = save(state, _identity(network, seed) | {"digest": digest(state)} | accuracies | origin)
    try:
        _replace(path, payload)
    except OSError as error:
        raise _unwritable(path, error) from error


def _replace(path: Path, payload: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _identity(network: DigitsNetwork, seed: int) -> dict[str, str]:
    return {"architecture": network.architecture, "recipe": network.hash, "seed": str(seed)}


def layout(state: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return the shape and dtype of every tensor by name."""
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}


def digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all values, in the order of the names, as hexadecimal digits."""
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(name.encode())
        total.update(state[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the cache of trained digits networks cannot be written at {path.parent} ({error.strerror or error}); "
        f"set {CACHE_VARIABLE} to a directory that can, or free space"
    )
