"""Optional logging of a training to TensorBoard or Weights & Biases; imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from complexity_lab.errors import InputError
from complexity_lab.files import write_atomically, writing

if TYPE_CHECKING:
    from complexity_lab.momos.runs import RunConfig
    from complexity_lab.training.records import EpochRecord

Track = Callable[["EpochRecord"], None]
TRACKERS = ("tensorboard", "wandb")
WANDB_ID = "wandb-id.txt"  # in the run directory


@contextmanager
def tracker_for(name: str | None, config: RunConfig, directory: Path) -> Iterator[Track]:
    """Yield a function that logs every epoch; one that does nothing if ``name`` is None.

    Raises:
        InputError: unknown tracker, or its package is not installed.
    """
    if name is None:
        yield _ignore
    elif name == "tensorboard":
        with _tensorboard(directory) as log:
            yield log
    elif name == "wandb":
        with _wandb(config, directory) as log:
            yield log
    else:
        raise InputError(f"tracker {name!r}, wanted {' or '.join(TRACKERS)}")


def scalars(epoch: EpochRecord) -> dict[str, float]:
    """Return the numbers of an epoch by name, without what is missing; of measurements those of the weights."""
    numbers: dict[str, float | None] = {
        field.name: getattr(epoch, field.name) for field in fields(epoch) if field.name not in ("epoch", "measurements")
    }
    for row in epoch.measurements:
        if row.null is None:
            numbers[row.metric if row.plane is None else f"{row.metric} plane {row.plane}"] = row.value
    return {key: float(value) for key, value in numbers.items() if value is not None}


def _ignore(epoch: EpochRecord) -> None:
    del epoch


@contextmanager
def _tensorboard(directory: Path) -> Iterator[Track]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError("--tracker tensorboard needs its package; pip install tensorboard") from None
    writer: Any = SummaryWriter(str(directory / "tensorboard"))

    def log(epoch: EpochRecord) -> None:
        for key, value in scalars(epoch).items():
            writer.add_scalar(key, value, epoch.epoch)

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def _wandb(config: RunConfig, directory: Path) -> Iterator[Track]:
    try:
        import wandb  # type: ignore[import-not-found]  # optional
    except ImportError:
        raise InputError("--tracker wandb needs its package; pip install wandb") from None
    tags = [f"model:{config.model}", f"dataset:{config.dataset}", f"method:{config.method.name}"]
    run: Any = wandb.init(
        project="complexity-lab",
        name=config.key,
        tags=tags,
        dir=str(directory),
        config=config.as_dict(),
        id=_kept_id(directory),
        resume="allow",  # a run that goes on is the same run there
    )
    try:
        yield lambda epoch: run.log(scalars(epoch), step=epoch.epoch)
    finally:
        run.finish()


def _kept_id(directory: Path) -> str:
    """Return the id that Weights & Biases knows a run by; drawn once and kept in its directory."""
    file = directory / WANDB_ID
    with writing(directory):
        if not file.exists():
            directory.mkdir(parents=True, exist_ok=True)
            write_atomically(file, uuid4().hex.encode())
        return file.read_text(encoding="ascii").strip()
