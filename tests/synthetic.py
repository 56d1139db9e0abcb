"""Synthetic surveys in the exact schema: for tests of statistics, figures and reports that need no weights.

The numbers have the shape of real ones (BDM of biased bits by a closed form, seeds with a spread, sign bias), not their
values. Every random choice comes from one seed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from complexity_lab.statistics import SurveyTables
from complexity_lab.tables.schema import MEASUREMENTS, MODELS, schema

DIGITS = (
    "mlp",
    "mlp_wide",
    "lenet",
    "resnet8",
    "resnet20",
    "convnext",
    "mobilenet",
    "vit",
    "mixer",
    "rnn",
    "kan",
    "vgg",
)
FAMILIES = (
    *("vit", "resnet", "convnext", "efficientnet", "swin", "mobilenetv3", "deit", "regnet", "densenet", "beit"),
    *("mixer", "hrnet", "xcit", "dpn", "nfnet", "levit"),
)
COMPRESSORS = ("gzip", "bz2", "lzma", "zstd")
METRICS = ("bdm", "bdm_2d", "block_entropy", *COMPRESSORS)


@dataclass(frozen=True)
class Survey:
    """Tables of a synthetic survey, as pandas reads them."""

    models: pd.DataFrame
    measurements: pd.DataFrame
    manifest: dict[str, Any]
    accuracy: pd.DataFrame | None = None  # in timm's format

    def write(self, directory: Path) -> Path:
        """Write the directory as a survey writes it: one part per table, and the manifest."""
        for name, table, columns in (
            ("models", self.models, MODELS),
            ("measurements", self.measurements, MEASUREMENTS),
        ):
            (directory / name).mkdir(parents=True)
            pq.write_table(_arrow(table.to_dict("records"), columns), directory / name / "part-000.parquet")
        (directory / "manifest.json").write_text(json.dumps(self.manifest))
        if self.accuracy is not None:
            self.accuracy.to_csv(directory / "accuracy.csv", index=False)
        return directory

    @property
    def tables(self) -> SurveyTables:
        """The survey as the statistics see it."""
        published = None
        if self.accuracy is not None:
            top1 = self.accuracy["top1"] / 100
            published = pd.DataFrame(
                {"name": self.accuracy["model"], "architecture": "", "img_size": 224.0, "top1": top1}
            )
        return SurveyTables(self.models, self.measurements, self.manifest, published)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a synthetic survey looks like."""

    n_models: int = 12
    zoo: str = "digits"
    initial_seeds: int = 3
    trained_seeds: int = 3  # 0: initial weights only; 1: one set without a seed
    failed: int = 0
    metrics: tuple[str, ...] = METRICS
    tensors: int = 6
    seed: int = 0
    planes: int = 0  # bits of QuBD; 0: none
    nulls: tuple[str, ...] = ()  # beside the iid null, of bdm and of bit planes: shuffle, gaussian, permutation
    accuracy: bool = False  # a file of accuracies beside the tables


def fair_bdm(blocks: float, ones: float, possible: int = 4096) -> float:
    """Return roughly the BDM in bits of ``blocks`` independent blocks with that share of ones."""
    size = int(np.log2(possible))
    seen = possible * -np.expm1(-blocks / possible)
    divergence = -size * (1 + 0.5 * (np.log2(ones) + np.log2(1 - ones)))
    return float(seen * (32.5 - min(divergence, 8) + np.log2(max(blocks / seen, 1.0))))


def make_survey(shape: Shape | None = None, **changes: Any) -> Survey:
    """Return a synthetic survey; keyword arguments are fields of Shape."""
    shape = shape or Shape(**changes)
    rng = np.random.default_rng(shape.seed)
    models = [_model(index, shape, rng) for index in range(shape.n_models)]
    fine = [model for model in models if model["status"] == "ok"]
    rows = [row for model in fine for row in _rows(model, shape, rng)]
    other = np.random.default_rng([shape.seed, 1])  # what is added leaves the numbers above as they are
    rows += [row for model in fine for row in _plane_rows(model, shape, other)]
    rows += [null for row in rows for null in _null_rows(row, shape, other)]
    return Survey(
        models=_arrow(models, MODELS).to_pandas(),
        measurements=_arrow(rows, MEASUREMENTS).to_pandas(),
        manifest=manifest(models, shape),
        accuracy=_accuracy(models, other) if shape.accuracy else None,
    )


def row(model: str, state: str, seed: int | None, metric: str, value: float | None, **changes: Any) -> dict[str, Any]:
    """Return one measurement row of scope model; anything can be changed."""
    weights = 4096 * 12 * 10
    fields: dict[str, Any] = {
        "model": model,
        "state": state,
        "seed": seed,
        "scope": "model",
        "tensor": "",
        "kind": "",
        "shape": "",
        "metric": metric,
        "value": value,
        "unit": "bits",
        "scored": weights,
        "dropped": 0,
        "ones": weights // 2,
        "blocks": weights // 12,
        "distinct_blocks": 4096,
        "raw_bytes": None,
        "compressed_bytes": None,
        "status": "ok",
        "reason": None,
    }
    return fields | changes


def model_row(model: str, **changes: Any) -> dict[str, Any]:
    """Return one row of the models table; anything can be changed."""
    fields: dict[str, Any] = {name: None for name, _, _ in MODELS}
    known = {"model": model, "zoo": "test", "architecture": model, "tag": "", "family": "mlp", "status": "ok"}
    return fields | known | {"parameters": 4096 * 12 * 10} | changes


def tables(models: list[dict[str, Any]], rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the two tables of hand-written rows."""
    return _arrow(models, MODELS).to_pandas(), _arrow(rows, MEASUREMENTS).to_pandas()


def manifest(models: list[dict[str, Any]], shape: Shape) -> dict[str, Any]:
    """Return a manifest as a survey writes it."""
    return {
        "plan": {
            "zoo": shape.zoo,
            "models": [model["model"] for model in models],
            "states": ["initial", "trained"] if shape.trained_seeds else ["initial"],
            "seeds": list(range(shape.initial_seeds)),
            "metrics": list(shape.metrics),
            "selection": {"sample": shape.n_models, "filter": "*", "max_parameters": 100_000_000},
        },
        "plan_hash": "5f0c1d" + "0" * 58,
        "created": "2026-01-02T03:04:05+00:00",
        "versions": {"python": "3.12.1", "numpy": "2.3.0", "torch": "2.9.0"},
        "ctm_sha256": {"B2-D12": "ab" * 32, "B2-D4x4": "cd" * 32},
        "machine": {"platform": "Linux", "cpu": "x86-64", "cores": 2, "memory_bytes": 8 * 2**30},
        "command": f"complexity-lab survey --zoo {shape.zoo} --out runs/<name>",
        "package_version": "0.1.0",
    }


def _arrow(rows: list[dict[str, Any]], columns: Any) -> pa.Table:
    clean = [{name: None if value is pd.NA or value != value else value for name, value in r.items()} for r in rows]
    for r in clean:
        for name, kind, _ in columns:
            if pa.types.is_integer(kind) and r[name] is not None:
                r[name] = int(r[name])
    return pa.Table.from_pylist(clean, schema=schema(columns))


def _model(index: int, shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    small = shape.zoo == "digits"
    family = DIGITS[index % len(DIGITS)].split("_")[0] if small else FAMILIES[min(int(rng.exponential(4)), 15)]
    name = DIGITS[index % len(DIGITS)] if small and index < len(DIGITS) else f"{family}_{index:03d}.in1k"
    parameters = int(np.exp(rng.uniform(np.log(2e4 if small else 1.5e6), np.log(9e5 if small else 1e8))))
    accuracy = float(np.clip(rng.normal(0.96, 0.015), 0, 1)) if small and shape.trained_seeds else None
    failed = index >= shape.n_models - shape.failed
    return model_row(
        name,
        zoo=shape.zoo,
        architecture=name.split(".")[0],
        tag="" if small else "in1k",
        family=family,
        parameters=parameters,
        dataset="digits" if small else "imagenet-1k",
        licence="apache-2.0",
        source="recipe" if small else f"hub:timm/{name}",
        revision="1",
        test_accuracy=accuracy,
        test_accuracy_lowest=accuracy and accuracy - 0.01,
        status="failed" if failed else "ok",
        error_type="UnreachableError" if failed else None,
        error=f"cannot reach hub:timm/{name}; set HF_ENDPOINT to a mirror or --local-dir" if failed else None,
        seconds_build=0.2,
        seconds_load=1.5,
        seconds_measure=0.3,
        peak_memory=10**9,
    )


def _rows(model: dict[str, Any], shape: Shape, rng: np.random.Generator) -> list[dict[str, Any]]:
    bias = float(rng.normal(0, 0.012) + (0.04 if rng.random() < 0.25 else 0))
    arrangement = float(np.exp(rng.normal(-7.5, 2.0))) * (1 if rng.random() < 0.85 else -0.2)
    initial: list[tuple[str, int | None]] = [("initial", seed) for seed in range(shape.initial_seeds)]
    trained: list[tuple[str, int | None]] = [
        ("trained", s if shape.trained_seeds > 1 else None) for s in range(shape.trained_seeds)
    ]
    rows = []
    for state, seed in [*initial, *trained]:
        ones = 0.4985 if state == "initial" else 0.4985 - bias + float(rng.normal(0, 0.0005))
        drop = 0.0 if state == "initial" else arrangement
        rows += _state_rows(model, state, seed, ones, drop, shape, rng)
    return rows


def _state_rows(
    model: dict[str, Any],
    state: str,
    seed: int | None,
    ones: float,
    drop: float,
    shape: Shape,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    parameters, rows = int(model["parameters"]), []
    for metric in shape.metrics:
        size, possible = (16, 65536) if metric == "bdm_2d" else (12, 4096)
        blocks = parameters // size
        common = {
            "scored": blocks * size,
            "dropped": parameters - blocks * size,
            "ones": int(blocks * size * ones),
            "blocks": blocks,
            "distinct_blocks": min(possible, int(possible * -np.expm1(-blocks / possible))),
        }
        base, spread = fair_bdm(blocks, ones, possible), 1e-4 * np.sqrt(1e5 / parameters)
        noise = 1 + float(rng.normal(0, spread))
        if metric.split(":")[0] in COMPRESSORS:
            raw = parameters // 8
            rate = 1.0009 + 3 * (ones - 0.5) ** 2 + drop + float(rng.normal(0, spread))
            sizes = {
                "raw_bytes": raw,
                "compressed_bytes": int(raw / rate),
                "blocks": None,
                "distinct_blocks": None,
                "ones": None,
            }
            rows.append(
                row(model["model"], state, seed, metric, raw / int(raw / rate), unit="raw/compressed", **common | sizes)
            )
        elif metric == "block_entropy":
            rows.append(row(model["model"], state, seed, metric, 12 * (1 - drop) * noise, unit="bits/block", **common))
        else:
            rows.append(row(model["model"], state, seed, metric, base * (1 - drop) * noise, **common))
            for part, value in _nulls(blocks, ones, possible, base * spread):
                rows.append(row(model["model"], state, seed, f"{metric}_iid_{part}", value, **common))
    return rows + _tensor_rows(model, state, seed, ones, drop, shape, rng)


def _nulls(blocks: int, ones: float, possible: int, sd: float) -> list[tuple[str, float]]:
    fractions = {"mean": ones, "mean_p45": 0.45, "mean_p50": 0.5}
    return [(part, fair_bdm(blocks, p, possible)) for part, p in fractions.items()] + [("sd", sd)]


def _tensor_rows(
    model: dict[str, Any],
    state: str,
    seed: int | None,
    ones: float,
    drop: float,
    shape: Shape,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    rows = []
    for index in range(shape.tensors):
        weights = max(int(model["parameters"]) // shape.tensors, 24)
        factor = 1 - drop * 3 * index / max(shape.tensors - 1, 1) + float(rng.normal(0, 1e-4))
        value = fair_bdm(weights // 12, ones) * factor
        names = {"scope": "tensor", "tensor": f"layers.{index}.weight", "kind": "matrix", "shape": f"{weights // 8}x8"}
        counts = {
            "scored": weights // 12 * 12,
            "dropped": weights % 12,
            "ones": int(weights * ones),
            "blocks": weights // 12,
        }
        rows.append(row(model["model"], state, seed, "bdm", value, **names, **counts))
        bias = names | {"tensor": f"layers.{index}.bias", "kind": "bias", "shape": "8"}
        reason = {
            "status": "skipped",
            "reason": "fewer than 12 values",
            "scored": 0,
            "dropped": 8,
            "ones": 0,
            "blocks": 0,
        }
        rows.append(row(model["model"], state, seed, "bdm", None, **bias | reason))
    return rows


SHAPES = (("matrix", "{}x3x3x3"), ("matrix", "{}x64"), ("embedding", "{}x32"), ("matrix", "{}x1x5x5"))


def _plane_rows(model: dict[str, Any], shape: Shape, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return QuBD rows of every state: planes of every tensor, their sums, and those of the model."""
    if not shape.planes:
        return []
    strength = float(np.exp(rng.normal(-3.5, 0.9)))
    states: list[tuple[str, int | None]] = [("initial", seed) for seed in range(shape.initial_seeds)]
    states += [("trained", s if shape.trained_seeds > 1 else None) for s in range(shape.trained_seeds)]
    rows = []
    for state, seed in states:
        planes, weights = np.zeros((shape.tensors, shape.planes)), []
        for index in range(shape.tensors):
            weights.append(max(int(model["parameters"]) * (1 + index % 3) // (2 * shape.tensors), 32))
            planes[index] = _profile(weights[-1], shape.planes, rng)
            if state == "trained":
                depth = index / max(shape.tensors - 1, 1)
                planes[index] *= 1 - strength * (1.3 - depth) * 0.55 ** np.arange(shape.planes)[::-1]
            kind, text = SHAPES[index % len(SHAPES)]
            place = {"scope": "tensor", "tensor": f"blocks.{index}.weight", "kind": kind}
            place |= {"shape": text.format(weights[-1] // 16), "scored": weights[-1], "blocks": weights[-1] // 16}
            rows += _profile_rows(model["model"], state, seed, planes[index], **place)
        whole = {"scored": sum(weights), "blocks": None}
        rows += _profile_rows(model["model"], state, seed, planes.sum(axis=0), **whole)
    return rows


def _profile(weights: int, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Return the planes of random weights: the most significant ones are poorer, as those of normal values are."""
    blocks = max(weights // 16, 1)
    base = fair_bdm(blocks, 0.5, 65536) * (1 - 0.2 * 0.4 ** np.arange(bits)[::-1])
    return np.asarray(base * (1 + rng.normal(0, 0.02 / np.sqrt(blocks), bits)))


def _profile_rows(model: str, state: str, seed: int | None, planes: np.ndarray, **place: Any) -> list[dict[str, Any]]:
    names = ("qubd", *(f"qubd_plane{plane}" for plane in range(len(planes))))
    values = (float(planes.sum()), *planes.tolist())
    common = {"ones": None, "distinct_blocks": None, "dropped": 0} | place
    return [row(model, state, seed, name, value, **common) for name, value in zip(names, values, strict=True)]


def _null_rows(measured: dict[str, Any], shape: Shape, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return mean and sd rows of the null models of one row: a little above it, further for the most significant."""
    metric, value = str(measured["metric"]), measured["value"]
    plane = metric.startswith("qubd")
    if not plane and (metric not in ("bdm", "bdm_2d") or measured["scope"] == "tensor"):
        return []
    nulls = [null for null in shape.nulls if measured["scope"] == "model" or null == "shuffle"]
    above = {"permutation": 0.0, "shuffle": 0.004, "gaussian": 0.012} if measured["state"] == "trained" else {}
    rows = []
    for null in nulls:
        sd = value * 2e-4 * (3 if null == "permutation" else 1)
        mean = value * (1 + above.get(null, 0.0) * (1 + (metric in ("qubd_plane7", "qubd")))) + float(rng.normal(0, sd))
        rows.append(measured | {"metric": f"{metric}_{null}_mean", "value": mean})
        rows.append(measured | {"metric": f"{metric}_{null}_sd", "value": sd})
    return rows


def _accuracy(models: list[dict[str, Any]], rng: np.random.Generator) -> pd.DataFrame:
    """Return a file of accuracies: larger models are better, and every ninth is not listed."""
    sizes = np.log10([model["parameters"] for model in models])
    top1 = np.clip(60 + 5 * (sizes - 4) + rng.normal(0, 2, len(models)), 0, 100)
    table = pd.DataFrame({"model": [model["model"] for model in models], "img_size": 224, "top1": top1.round(3)})
    table["top1_err"] = 100 - table["top1"]
    table["param_count"] = [f"{model['parameters'] / 1e6:,.2f}" for model in models]
    return table.loc[[index % 9 != 8 for index in range(len(models))]]
