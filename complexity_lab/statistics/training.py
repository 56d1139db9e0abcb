"""Training experiments, table to table: runs to means over seeds, beside the numbers that the paper prints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from complexity_lab.tables.training import read_training

PUBLISHED = Path(__file__).with_name("momos_published.csv")
KEYS = ["model", "kind", "bits", "s", "capacity"]
NAMES_IN_PAPER = {"tiny_vit_5m": "tiny_vit"}  # ours to the paper's, where they differ
PAPER_RECIPE = {"learning_rate": {"mlp": 3e-4, "resnet20": 0.1, "tiny_vit_5m": 3e-4, "mobilevit_xxs": 3e-4}} | {
    "batch_size": dict.fromkeys(("mlp", "resnet20", "tiny_vit_5m", "mobilevit_xxs"), 128),
    "epochs_planned": dict.fromkeys(("mlp", "resnet20", "tiny_vit_5m", "mobilevit_xxs"), 200),
    "image_size": {"mlp": 32, "resnet20": 32, "tiny_vit_5m": 224, "mobilevit_xxs": 224},
}  # as the paper's program has them by default
PAPER_PARAMETERS = {"mlp": 986_634, "resnet20": 269_722, "tiny_vit": 5_392_764, "mobilevit_xxs": 954_234}


@dataclass(frozen=True)
class TrainingTables:
    """The tables of one experiment."""

    runs: pd.DataFrame
    epochs: pd.DataFrame

    @classmethod
    def read(cls, directory: Path) -> TrainingTables:
        """Read an experiment.

        Raises:
            InputError: the directory holds none.
        """
        return cls(read_training(directory, "runs"), read_training(directory, "epochs"))

    @cached_property
    def ok(self) -> pd.DataFrame:
        """Runs that ended well."""
        return self.runs.loc[self.runs["status"] == "ok"]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Epochs with the columns of their run."""
        columns = ["run", "dataset", "model", "method", *KEYS[1:], "seed"]
        return self.epochs.merge(self.ok[columns], on="run", how="inner")


def means_over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model and method: mean and sd over seeds of accuracy, RAC and BDM ratio.

    Accuracies are in percent, the final one also with its range; ``failed`` counts runs that did not end. Models in
    the order of the paper's table, baseline first, then bits, block size and capacity descending.
    """
    rows = []
    for (model, method), group in runs.groupby(["model", "method"], sort=False):
        ok = group.loc[group["status"] == "ok"]
        first = group.iloc[0]
        row = {name: first[name] for name in ["dataset", *KEYS]} | {"model": model, "method": method}
        row |= {"classes": first["classes"], "seeds": len(ok), "failed": len(group) - len(ok)}
        for name, column, scale in (
            ("accuracy", "test_accuracy_final", 100),
            ("accuracy_best", "test_accuracy_best", 100),
            ("rac", "rac", 1),
            ("bdm_ratio", "bdm_ratio", 1),
            ("distortion", "distortion_final", 1),
            ("epochs", "epochs", 1),
            ("seconds", "seconds", 1),
        ):
            values = scale * ok[column].astype(float)
            row |= {name: values.mean(), f"{name}_sd": values.std(ddof=1)}
            if name == "accuracy":
                row |= {"accuracy_low": values.min(), "accuracy_high": values.max()}
        rows.append(row)
    table = pd.DataFrame(rows)
    order = {kind: rank for rank, kind in enumerate(("baseline", "qat", "momos", "momos+qat"))}
    models = {model: rank for rank, model in enumerate(_models_by_size(runs))}
    keys = table.assign(
        _model=table["model"].map(models),
        _kind=table["kind"].map(order),
        _bits=-table["bits"],
        _s=table["s"].fillna(0),
        _capacity=-table["capacity"].fillna(0),
    )
    places = keys.sort_values(["_model", "_kind", "_bits", "_s", "_capacity"], kind="stable").index
    return table.loc[places].reset_index(drop=True)


def _models_by_size(runs: pd.DataFrame) -> list[str]:
    """Return models in the order of the paper's table where it has them, others after them by name."""
    known = ["mlp", "mlp5", "resnet20", "tiny_vit_5m", "mobilevit_xxs"]
    found = sorted(set(runs["model"]))
    return [model for model in known if model in found] + [model for model in found if model not in known]


def published() -> pd.DataFrame:
    """Return the numbers printed in Tables 1 and 2 of arXiv 2602.14896: accuracy in percent with sd, RAC, BDM ratio."""
    table = pd.read_csv(PUBLISHED).rename(columns={"method": "kind", "block_size": "s"})
    return table.assign(model=table["model"].replace({paper: ours for ours, paper in NAMES_IN_PAPER.items()}))


def beside_published(table: pd.DataFrame) -> pd.DataFrame:
    """Return our means with the printed values in columns that end in ``_printed``; missing where nothing is printed.

    ``rac_formula`` is what the paper's formula gives for the paper's own parameter count, to tell a printed value that
    does not follow from it.
    """
    theirs = published()[[*KEYS, "accuracy_percent", "accuracy_sd", "rac", "bdm_ratio"]].rename(
        columns={
            "accuracy_percent": "accuracy_printed",
            "accuracy_sd": "accuracy_sd_printed",
            "rac": "rac_printed",
            "bdm_ratio": "bdm_ratio_printed",
        }
    )
    # missing keys must meet: pandas joins NaN with NaN only as numbers of one type
    left = table.astype({"bits": float, "s": float, "capacity": float})
    right = theirs.astype({"bits": float, "s": float, "capacity": float})
    joined = left.merge(right, on=KEYS, how="left")
    joined["rac_formula"] = [_rac_of_paper(row) for row in joined.to_dict("records")]
    return joined


def _rac_of_paper(row: dict[Any, Any]) -> float:
    """Return RAC by the paper's formula at the paper's parameter count; NaN for models that it does not have."""
    name = str(row["model"])
    n = PAPER_PARAMETERS.get(NAMES_IN_PAPER.get(name, name))
    bits, s, capacity = (float(row[key]) for key in ("bits", "s", "capacity"))
    if np.isnan(s):
        return 32 / bits
    if n is None or np.isnan(capacity):
        return float("nan")
    m = -(-n // int(s))
    k = max(1, floor(capacity * m))
    return n * bits / (k * s * bits + m * (k - 1).bit_length())


def same_when_printed(ours: float, printed: float, decimals: int) -> bool:
    """Tell whether a value is the printed one, rounded to as many decimals."""
    return bool(abs(ours - printed) <= 0.5 * 10**-decimals + 1e-9)
