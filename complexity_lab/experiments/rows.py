"""A finished run to rows of the tables ``runs`` and ``epochs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complexity_lab.errors import ComplexityLabError
from complexity_lab.experiments.probe import PROBED

if TYPE_CHECKING:
    from complexity_lab.momos.training import RunConfig, RunResult

Row = dict[str, Any]


def run_row(result: RunResult, preset: str) -> Row:
    """Return the row of ``runs``."""
    config, epochs = result.config, result.epochs
    trained = [epoch for epoch in epochs if epoch.epoch > 0]
    last, best = epochs[-1], next(epoch for epoch in epochs if epoch.epoch == result.best_epoch)
    initial_bdm, final_bdm = epochs[0].metrics.get("bdm"), last.metrics.get("bdm")
    return _config_columns(config, preset) | {
        "k": result.k,
        "blocks": result.blocks,
        "parameters": result.parameters,
        "epochs": last.epoch,
        "stopped_early": result.stopped_early,
        "best_epoch": result.best_epoch,
        "validation_accuracy_best": best.validation_accuracy,
        "validation_accuracy_final": last.validation_accuracy,
        "test_accuracy_best": result.test_accuracy_best,
        "test_accuracy_final": result.test_accuracy_final,
        "rac": result.rac,
        "bdm_initial": initial_bdm,
        "bdm_final": final_bdm,
        "bdm_ratio": final_bdm / initial_bdm if final_bdm and initial_bdm else None,
        "distortion_first": trained[0].distortion if trained else None,
        "distortion_final": last.distortion,
        "used_motifs": last.used_motifs,
        "distinct_motifs": last.distinct_motifs,
        "projections": sum(epoch.projections or 0 for epoch in trained),
        "seconds": result.seconds,
        "seconds_projection": sum(epoch.seconds_projection or 0.0 for epoch in trained),
        "status": "ok",
    }


def failed_row(config: RunConfig, preset: str, error: BaseException) -> Row:
    """Return the row of ``runs`` for a run that did not end."""
    text = " ".join(str(error).split())[:500]
    sentence = text if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {text}"
    return _config_columns(config, preset) | {
        "status": "failed",
        "error_type": type(error).__name__,
        "error": sentence or type(error).__name__,
    }


def epoch_rows(result: RunResult) -> list[Row]:
    """Return the rows of ``epochs``, one before training and one per epoch."""
    initial = result.epochs[0].metrics.get("bdm")
    return [
        {
            "run": result.config.key,
            "epoch": epoch.epoch,
            "learning_rate": epoch.learning_rate,
            "train_loss": epoch.train_loss,
            "train_accuracy": epoch.train_accuracy,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.validation_accuracy,
            "distortion": epoch.distortion,
            "num_changed_weights": epoch.num_changed_weights,
            "used_motifs": epoch.used_motifs,
            "distinct_motifs": epoch.distinct_motifs,
            "projections": epoch.projections,
            "bdm_ratio": epoch.metrics["bdm"] / initial if initial and "bdm" in epoch.metrics else None,
            "seconds_training": epoch.seconds_training,
            "seconds_projection": epoch.seconds_projection,
        }
        | {name: epoch.metrics.get(name) for name in PROBED}
        for epoch in result.epochs
    ]


def _config_columns(config: RunConfig, preset: str) -> Row:
    import torch

    from complexity_lab.momos.datasets import num_classes

    method, recipe = config.method, config.recipe
    return {
        "run": config.key,
        "dataset": config.dataset,
        "model": config.model,
        "method": method.name,
        "kind": method.kind,
        "bits": method.bits,
        "s": method.s,
        "capacity": method.capacity,
        "every": str(method.every) if method.has_motifs else None,
        "choice": method.choice if method.has_motifs else None,
        "seed": config.seed,
        "preset": preset,
        "device": config.device,
        "threads": torch.get_num_threads(),
        "precision": config.precision,
        "optimizer": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "batch_size": recipe.batch_size,
        "image_size": recipe.image_size,
        "patience": recipe.patience,
        "classes": num_classes(config.dataset),
        "epochs_planned": recipe.epochs,
    }
