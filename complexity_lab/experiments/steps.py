"""A watched training to rows of ``steps`` and ``series``: the tables that series of checkpoints have too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complexity_lab.estimators.estimator import REGISTRY
from complexity_lab.tables.steps import write_series

if TYPE_CHECKING:
    from complexity_lab.momos.runs import EpochRecord, RunConfig, RunResult

Row = dict[str, Any]


def write_watched(directory: Path, result: RunResult, metadata: Mapping[str, str], examples: int | None = None) -> None:
    """Write what a finished run was watched with, one step per epoch, beside its rows of ``runs`` and ``epochs``.

    Args:
        directory: of the experiment or the run.
        result: the finished run.
        metadata: of the parts.
        examples: training images, see ``examples_of``; counted if None, which opens the data once more.

    Raises:
        OutputError: the directory cannot be written.
    """
    images = examples_of(result.config) if examples is None else examples
    write_series(directory, series_row(result, images), step_rows(result, images), metadata)


def write_unwatched(directory: Path, failed: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write that a run did not end, from its row of ``runs``; it has no steps.

    Raises:
        OutputError: the directory cannot be written.
    """
    series = _series_columns(failed) | {key: failed[key] for key in ("status", "error_type", "error")}
    write_series(directory, series, [], metadata)


def examples_of(config: RunConfig) -> int:
    """Return how many images a run trains on."""
    from complexity_lab.momos.datasets import load_dataset

    return len(load_dataset(config.dataset, data_dir=config.data_dir, validation=config.validation).training)


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Return the optimizer steps of an epoch: batches, where a last one of a single image is left out.

    >>> steps_per_epoch(257, 128), steps_per_epoch(258, 128), steps_per_epoch(1, 128)
    (2, 3, 1)
    """
    alone = examples > 1 and examples % batch_size == 1  # as ``momos.training`` leaves it out
    return -(-(examples - alone) // batch_size)


def series_row(result: RunResult, examples: int) -> Row:
    """Return the row of ``series``."""
    config, recipe = result.config, result.config.recipe
    columns = {
        "run": config.key,
        "dataset": config.dataset,
        "model": config.model,
        "method": config.method.name,
        "seed": config.seed,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "batch_size": recipe.batch_size,
    }
    return _series_columns(columns) | {
        "parameters": result.parameters,
        "examples": examples,
        "test_accuracy": result.test_accuracy_final,
        "seconds": result.seconds,
        "status": "ok",
    }


def _series_columns(run: Mapping[str, Any]) -> Row:
    """Return the columns that are known of any run, from columns of ``runs``."""
    group = f"{run['dataset']}, {run['model']}, {run['method']}"
    return {
        "run": run["run"],
        "name": f"{run['model']} on {run['dataset']}, {run['method']}",
        "group": group,
        "network": f"{run['dataset']}, {run['model']}",
        "seed": run["seed"],
        "optimizer": f"{run['optimizer']}, learning rate {run['learning_rate']:g}, weight decay "
        f"{run['weight_decay']:g}, batches of {run['batch_size']}",
        "reference": 0,
    }


def step_rows(result: RunResult, examples: int) -> list[Row]:
    """Return the rows of ``steps``: every number of every epoch, 0 being before training."""
    each = steps_per_epoch(examples, result.config.recipe.batch_size)
    return [
        _epoch_columns(result.config, epoch, each) | _number(name, value)
        for epoch in result.epochs
        for name, value in epoch.metrics.items()
    ]


def _epoch_columns(config: RunConfig, epoch: EpochRecord, each: int) -> Row:
    return {
        "run": config.key,
        "step": epoch.epoch * each,
        "epoch": float(epoch.epoch),
        "seed": config.seed,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "validation_loss": epoch.validation_loss,
        "validation_accuracy": epoch.validation_accuracy,
        "source": f"{config.model}, {config.method.name}",
    }


def _number(name: str, value: float) -> Row:
    """Return the columns of a number of the whole network; how many weights entered it, epochs do not say."""
    unit = REGISTRY[name].unit if name in REGISTRY else "bits"  # of planes
    place = {"scope": "model", "tensor": "", "kind": "", "shape": ""}
    return place | {"metric": name, "value": value, "unit": unit, "status": "ok"}
