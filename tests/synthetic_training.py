"""A MoMos experiment whose numbers are known, without training anything."""

from itertools import product
from math import floor
from typing import Any

import numpy as np

from complexity_lab.statistics.step_results import TrainingResults
from complexity_lab.tables.rows import CurvePoint, Measurement, Row, Run
from tests.synthetic import Study

MODELS = {"mlp": 986_634, "resnet20": 269_722, "tiny_vit_5m": 5_074_974}
METHODS: list[dict[str, Any]] = [
    {"method_kind": "baseline", "bits": 32, "method": "baseline"},
    *({"method_kind": "qat", "bits": bits, "method": f"qat-{bits}"} for bits in (16, 8, 4)),
    *(
        {"method_kind": "momos", "bits": 32, "s": s, "capacity": c, "method": f"momos-s{s}-c{c:g}"}
        for s, c in product((2, 4), (0.1, 0.05, 0.01, 0.005))
    ),
]
BDM = (150_000.0, 149_500.0, 149_200.0, 149_000.0)  # epoch by epoch


def accuracy(method: dict[str, Any], seed: int) -> float:
    """Falls with capacity, s = 2 above s = 4, QAT 4 below QAT 8; seeds differ by a tenth of a point."""
    lost = {"baseline": 0.0, "qat": 8 / method["bits"]}.get(method["method_kind"])
    if lost is None:
        lost = method["s"] * -np.log10(method["capacity"])
    return float(0.95 - 0.01 * lost + 0.001 * seed)


def run_row(model: str, method: dict[str, Any], seed: int) -> Run:
    """Return the record of one run; RAC by the paper's formula."""
    n, mosaic = MODELS[model], {"rac": 32 / method["bits"]}
    if method["method_kind"] == "momos":
        m = -(-n // method["s"])
        k = max(1, floor(method["capacity"] * m))
        bits = k * method["s"] * 32 + m * (k - 1).bit_length()
        mosaic = {"k": k, "blocks": m, "rac": 32 * n / bits, "distortion_final": 100.0 / 3}
    accuracies = ("test_accuracy_final", "test_accuracy_best", "validation_accuracy_final")
    return Run(
        **{"model": f"{model}-{method['method']}-{seed}", "name": f"{model} on digits, {method['method']}"},
        **{"group": f"digits, {model}, {method['method']}", "architecture": model, "dataset": "digits", "seed": seed},
        **{"classes": 10, "preset": "paper", "epochs_planned": 3, "epochs": 3, "parameters": n, "seconds": 10.0},
        **{"optimizer": "adamw", "learning_rate": 3e-4, "weight_decay": 0.0, "batch_size": 128, "reference": 0},
        **dict.fromkeys(accuracies, accuracy(method, seed)),
        **method,
        **mosaic,
    )


def points(run: Run) -> list[Row]:
    """Return curve and BDM of a run, epoch by epoch, four steps each."""
    found: list[Row] = []
    for epoch, bdm in enumerate(BDM):
        common = {"model": run.model, "seed": run.seed, "step": 4 * epoch}
        losses = {"epoch": float(epoch), "validation_loss": 2.0 / (1 + epoch), "validation_accuracy": 0.5}
        losses |= {"distortion": 100.0 / epoch} if run.method_kind == "momos" and epoch else {}
        found.append(CurvePoint(**common, **losses))
        found.append(Measurement(**common, scope="model", metric="bdm", value=bdm, unit="bits"))
    return found


def experiment_study(
    models: tuple[str, ...] = tuple(MODELS), seeds: tuple[int, ...] = (0, 1, 2), failed: tuple[str, ...] = ()
) -> Study:
    """Return a study; runs named in ``failed`` ended in an error."""
    rows: list[Row] = []
    for model, method, seed in product(models, METHODS, seeds):
        run = run_row(model, method, seed)
        if run.model in failed:
            kept = ("study", "model", "name", "group", "architecture", "dataset", "classes", "seed", "epochs_planned")
            known = {name: getattr(run, name) for name in kept} | method
            rows.append(Run(**known, status="failed", error_type="WeightsError", error="the loss is nan"))
        else:
            rows += [run, *points(run)]
    return Study(kind="training", name="table1", rows=rows, plan={"dataset": "digits", "models": list(models)})


def experiment(**choices: Any) -> TrainingResults:
    """Return the results of an experiment."""
    results: TrainingResults = experiment_study(**choices).results
    return results
