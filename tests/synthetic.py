"""Synthetic surveys in the exact rows: for tests of statistics, figures and reports that need no weights.

The numbers have the shape of real ones (BDM of biased bits by a closed form, seeds with a spread, sign bias), not their
values. Every random choice comes from one seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from complexity_lab.statistics.manifest import Manifest
from complexity_lab.statistics.results import Results
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.statistics.step_results import TrainingResults, TrajectoryResults
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables.arrow import to_arrow, to_frame
from complexity_lab.tables.commit import Commit
from complexity_lab.tables.directory import FORMAT, StudyDirectory
from complexity_lab.tables.rows import Measurement, Model, Row

CLASSES: dict[str, type[Results]] = {
    "survey": SurveyResults,
    "training": TrainingResults,
    "trajectory": TrajectoryResults,
    "series": TrajectoryResults,
    "rounding": RoundingResults,
}
DIGITS = (
    *("mlp", "mlp_wide", "lenet", "resnet8", "resnet20", "convnext"),
    *("mobilenet", "vit", "mixer", "rnn", "kan", "vgg"),
)
FAMILIES = (
    *("vit", "resnet", "convnext", "efficientnet", "swin", "mobilenetv3", "deit", "regnet", "densenet", "beit"),
    *("mixer", "hrnet", "xcit", "dpn", "nfnet", "levit"),
)
COMPRESSORS = ("gzip", "bz2", "lzma", "zstd")
METRICS = ("bdm", "bdm_2d", "block_entropy", *COMPRESSORS)
NULL_OF = ("bdm", "bdm_2d")  # metrics with null models, bit planes aside


def frames_of(rows: Iterable[Row]) -> dict[str, pd.DataFrame]:
    """Return typed rows as tables, as they are read from a directory."""
    by_type: dict[type[Row], list[Row]] = {}
    for each in rows:
        by_type.setdefault(type(each), []).append(each)
    return {kind.TABLE: to_frame(kind, [to_arrow(kind, found)]) for kind, found in by_type.items()}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study whose rows are known, and the files next to its tables."""

    kind: str
    rows: Sequence[Row]
    plan: Mapping[str, Any]
    name: str = "synthetic"
    title: str = "A synthetic study"
    question: str = "What do numbers look like that are known in advance?"
    source: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as the engine writes it."""
        run = {
            "created": "2026-01-02T03:04:05+00:00",
            "versions": {"python": "3.12.1", "complexity-lab": "0.2.0", "numpy": "2.3.0", "torch": "2.9.0"},
            "command": f"complexity-lab study run studies/{self.name}.toml",
        }
        return {
            **{"format": FORMAT, "kind": self.kind, "name": self.name, "title": self.title, "source": self.source},
            **{"question": self.question, "figures": [], "plan": dict(self.plan), "plan_hash": "5f0c1d" + "0" * 58},
            **{"directory_id": "0" * 32, "created": run["created"], "ctm_sha256": {"B2-D12": "ab" * 32}},
            "machine": {"platform": "Linux", "cpu": "x86-64", "cores": 2, "memory_bytes": 8 * 2**30},
            "runs": [run],
        }

    @property
    def results(self) -> Any:
        """The study as statistics see it, without a directory; files next to the tables are not read."""
        return CLASSES.get(self.kind, Results)(Manifest.of(self.manifest), frames_of(self.rows))

    def write(self, directory: Path) -> Path:
        """Write the directory as the engine does, one task per model."""
        store = StudyDirectory(directory)
        store.prepare(self.manifest)
        known = {"plan_hash": self.manifest["plan_hash"], "directory_id": self.manifest["directory_id"]}
        for model, rows in groupby(sorted(self.rows, key=lambda each: each.model), key=lambda each: each.model):
            store.write(Commit(task=model, parts={}, **known), list(rows), study=self.name, metadata={})
        for name, content in self.files.items():
            (directory / name).write_text(content, encoding="utf-8")
        return directory


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
    nulls: tuple[str, ...] = ()  # besides iid, fair and share_45, of bdm and of bit planes: shuffle, gaussian, ...
    accuracy: bool = False  # a file of accuracies next to the tables

    @property
    def states(self) -> list[tuple[str, int | None]]:
        """Sets of weights of a model: state and seed."""
        trained = [("trained", seed if self.trained_seeds > 1 else None) for seed in range(self.trained_seeds)]
        return [*(("initial", seed) for seed in range(self.initial_seeds)), *trained]


def fair_bdm(blocks: float, ones: float, possible: int = 4096) -> float:
    """Return roughly the BDM in bits of ``blocks`` independent blocks with that share of ones."""
    size = int(np.log2(possible))
    seen = possible * -np.expm1(-blocks / possible)
    divergence = -size * (1 + 0.5 * (np.log2(ones) + np.log2(1 - ones)))
    return float(seen * (32.5 - min(divergence, 8) + np.log2(max(blocks / seen, 1.0))))


def make_survey(shape: Shape | None = None, **changes: Any) -> SurveyResults:
    """Return a synthetic survey; keyword arguments are fields of Shape."""
    shape = shape or Shape(**changes)
    survey = survey_study(shape)
    tables = frames_of([*survey.rows])
    published = _published(survey.rows, shape) if shape.accuracy else None
    return SurveyResults(Manifest.of(survey.manifest), tables, published=published)


def survey_study(shape: Shape | None = None, **changes: Any) -> Study:
    """Return the same survey with its rows, to be written."""
    shape = shape or Shape(**changes)
    rng = np.random.default_rng(shape.seed)
    models = [_model(index, shape, rng) for index in range(shape.n_models)]
    fine = [model for model in models if model.status == "ok"]
    rows = [row for model in fine for row in _rows(model, shape, rng)]
    other = np.random.default_rng([shape.seed, 1])  # what is added leaves the numbers above as they are
    rows += [row for model in fine for row in _plane_rows(model, shape, other)]
    rows += [null for row in rows for null in _null_rows(row, shape, other)]
    plan = {
        "zoo": shape.zoo,
        "models": [model.model for model in models],
        "states": ["initial", "trained"] if shape.trained_seeds else ["initial"],
        "seeds": list(range(shape.initial_seeds)),
        "metrics": list(shape.metrics),
        "selection": {"sample": shape.n_models, "filter": "*", "max_parameters": 100_000_000},
    }
    files = {"accuracy.csv": _accuracy(models, shape).to_csv(index=False)} if shape.accuracy else {}
    return Study(kind="survey", rows=[*models, *rows], plan=plan, files=files)


def row(
    model: str, state: str | None, seed: int | None, metric: str, value: float | None, **changes: Any
) -> Measurement:
    """Return one measurement of scope model; anything can be changed."""
    weights = 4096 * 48 * 10
    size = 16 if metric in ("bdm_2d", "qubd") else 12
    fields: dict[str, Any] = {
        **{"model": model, "state": state, "seed": seed, "scope": "model", "metric": metric, "value": value},
        **{"unit": "bits", "scored": weights, "dropped": 0, "ones": weights // 2, "blocks": weights // size},
        "distinct_blocks": 2**size,
    }
    return Measurement(**(fields | changes))


def null_row(measured: Measurement, null: str, mean: float, sd: float | None = None) -> list[Measurement]:
    """Return the mean of a null model of one measurement, and its sd if there is one."""
    rows = [replace(measured, null=null, statistic="mean", value=mean)]
    return rows if sd is None else [*rows, replace(measured, null=null, statistic="sd", value=sd)]


def model_row(model: str, **changes: Any) -> Model:
    """Return one row of the models table; anything can be changed."""
    known = {"zoo": "test", "architecture": model, "family": "mlp", "parameters": 4096 * 48 * 10}
    return Model(model=model, **(known | changes))


def tables(models: Iterable[Model], rows: Iterable[Measurement]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the two tables of hand-written rows."""
    found = (to_arrow(Model, list(models)), to_arrow(Measurement, list(rows)))
    return to_frame(Model, [found[0]]), to_frame(Measurement, [found[1]])


def _model(index: int, shape: Shape, rng: np.random.Generator) -> Model:
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
        seconds=2.0,
        seconds_build=0.2,
        seconds_load=1.5,
        seconds_measure=0.3,
        peak_memory=10**9,
    )


def _rows(model: Model, shape: Shape, rng: np.random.Generator) -> list[Measurement]:
    bias = float(rng.normal(0, 0.012) + (0.04 if rng.random() < 0.25 else 0))
    arrangement = float(np.exp(rng.normal(-7.5, 2.0))) * (1 if rng.random() < 0.85 else -0.2)
    rows = []
    for state, seed in shape.states:
        ones = 0.4985 if state == "initial" else 0.4985 - bias + float(rng.normal(0, 0.0005))
        drop = 0.0 if state == "initial" else arrangement
        rows += _state_rows(model, (state, seed), ones, drop, shape, rng)
    return rows


def _state_rows(
    model: Model, weights: tuple[str, int | None], ones: float, drop: float, shape: Shape, rng: np.random.Generator
) -> list[Measurement]:
    parameters, rows = int(model.parameters or 0), []
    for metric in shape.metrics:
        size, possible = (16, 65536) if metric == "bdm_2d" else (12, 4096)
        blocks = parameters // size
        common = {"scored": blocks * size, "dropped": parameters - blocks * size, "ones": int(blocks * size * ones)}
        common |= {"blocks": blocks, "distinct_blocks": min(possible, int(possible * -np.expm1(-blocks / possible)))}
        base, spread = fair_bdm(blocks, ones, possible), 1e-4 * np.sqrt(1e5 / parameters)
        noise = 1 + float(rng.normal(0, spread))
        if metric.split(":")[0] in COMPRESSORS:
            raw = parameters // 8
            rate = 1.0009 + 3 * (ones - 0.5) ** 2 + drop + float(rng.normal(0, spread))
            sizes = {"raw_bytes": raw, "compressed_bytes": int(raw / rate), "unit": "raw/compressed"}
            uncounted = dict.fromkeys(("blocks", "distinct_blocks", "ones"))
            rows.append(row(model.model, *weights, metric, raw / int(raw / rate), **common | sizes | uncounted))
        elif metric == "block_entropy":
            entropy = 12 * (1 - drop) * noise
            rows.append(row(model.model, *weights, metric, entropy, unit="bits/block", **common))
        else:
            found = row(model.model, *weights, metric, base * (1 - drop) * noise, **common)
            rows += [found, *_iid_rows(found, blocks, ones, possible, base * spread)]
    return rows + _tensor_rows(model, weights, ones, drop, shape, rng)


def _iid_rows(found: Measurement, blocks: int, ones: float, possible: int, sd: float) -> list[Measurement]:
    shares = {"iid": ones, "share_45": 0.45, "fair": 0.5}
    means = [
        replace(found, null=null, statistic="mean", value=fair_bdm(blocks, share, possible))
        for null, share in shares.items()
    ]
    return [*means, replace(found, null="iid", statistic="sd", value=sd)]


def _tensor_rows(
    model: Model, weights: tuple[str, int | None], ones: float, drop: float, shape: Shape, rng: np.random.Generator
) -> list[Measurement]:
    rows = []
    for index in range(shape.tensors):
        values = max(int(model.parameters or 0) // shape.tensors, 24)
        factor = 1 - drop * 3 * index / max(shape.tensors - 1, 1) + float(rng.normal(0, 1e-4))
        about = {"scope": "tensor", "tensor": f"layers.{index}.weight", "kind": "matrix", "shape": f"{values // 8}x8"}
        about |= {"scored": values // 12 * 12, "dropped": values % 12, "ones": int(values * ones)}
        about |= {"blocks": values // 12}
        rows.append(row(model.model, *weights, "bdm", fair_bdm(values // 12, ones) * factor, **about))
        bias = {"tensor": f"layers.{index}.bias", "kind": "bias", "shape": "8", "scored": 0, "dropped": 8, "ones": 0}
        skipped = {"blocks": 0, "status": "skipped", "reason": "fewer than 12 values"}
        rows.append(row(model.model, *weights, "bdm", None, **about | bias | skipped))
    return rows


SHAPES = (("matrix", "{}x3x3x3"), ("matrix", "{}x64"), ("embedding", "{}x32"), ("matrix", "{}x1x5x5"))


def _plane_rows(model: Model, shape: Shape, rng: np.random.Generator) -> list[Measurement]:
    """Return QuBD rows of every state: planes of every tensor, their sums, and those of the model."""
    if not shape.planes:
        return []
    strength = float(np.exp(rng.normal(-3.5, 0.9)))
    rows = []
    for state, seed in shape.states:
        planes, weights = np.zeros((shape.tensors, shape.planes)), []
        for index in range(shape.tensors):
            weights.append(max(int(model.parameters or 0) * (1 + index % 3) // (2 * shape.tensors), 32))
            planes[index] = _profile(weights[-1], shape.planes, rng)
            if state == "trained":
                depth = index / max(shape.tensors - 1, 1)
                planes[index] *= 1 - strength * (1.3 - depth) * 0.55 ** np.arange(shape.planes)[::-1]
            kind, text = SHAPES[index % len(SHAPES)]
            about = {"scope": "tensor", "tensor": f"blocks.{index}.weight", "kind": kind}
            about |= {"shape": text.format(weights[-1] // 16), "scored": weights[-1], "blocks": weights[-1] // 16}
            rows += _profile_rows(model.model, state, seed, planes[index], **about)
        whole = {"scored": sum(weights), "blocks": None}
        rows += _profile_rows(model.model, state, seed, planes.sum(axis=0), **whole)
    return rows


def _profile(weights: int, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Return the planes of random weights: the most significant ones are poorer, as those of normal values are."""
    blocks = max(weights // 16, 1)
    base = fair_bdm(blocks, 0.5, 65536) * (1 - 0.2 * 0.4 ** np.arange(bits)[::-1])
    return np.asarray(base * (1 + rng.normal(0, 0.02 / np.sqrt(blocks), bits)))


def _profile_rows(model: str, state: str, seed: int | None, planes: np.ndarray, **about: Any) -> list[Measurement]:
    common = {"ones": None, "distinct_blocks": None, "dropped": 0, "preset": "fixed"} | about
    whole = row(model, state, seed, "qubd", float(planes.sum()), **common)
    return [whole, *(replace(whole, plane=plane, value=float(value)) for plane, value in enumerate(planes))]


def _null_rows(measured: Measurement, shape: Shape, rng: np.random.Generator) -> list[Measurement]:
    """Return mean and sd rows of the null models of one row: a little above it, further for the most significant."""
    plane = measured.metric == "qubd"
    if measured.null is not None or measured.value is None:
        return []
    if not plane and (measured.metric not in NULL_OF or measured.scope == "tensor"):
        return []
    nulls = [null for null in shape.nulls if measured.scope == "model" or null == "shuffle"]
    above = {"permutation": 0.0, "shuffle": 0.004, "gaussian": 0.012} if measured.state == "trained" else {}
    rows = []
    for null in nulls:
        sd = measured.value * 2e-4 * (3 if null == "permutation" else 1)
        further = 1 + (plane and measured.plane in (None, 7))
        mean = measured.value * (1 + above.get(null, 0.0) * further) + float(rng.normal(0, sd))
        rows.append(replace(measured, null=null, statistic="mean", value=mean))
        rows.append(replace(measured, null=null, statistic="sd", value=sd))
    return rows


def _accuracy(models: Sequence[Model], shape: Shape) -> pd.DataFrame:
    """Return a file of accuracies in timm's format: larger models are better, and every ninth is not listed."""
    rng = np.random.default_rng([shape.seed, 2])
    sizes = np.log10([model.parameters or 1 for model in models])
    top1 = np.clip(60 + 5 * (sizes - 4) + rng.normal(0, 2, len(models)), 0, 100)
    table = pd.DataFrame({"model": [model.model for model in models], "img_size": 224, "top1": top1.round(3)})
    table["top1_err"] = 100 - table["top1"]
    table["param_count"] = [f"{(model.parameters or 0) / 1e6:,.2f}" for model in models]
    return table.loc[[index % 9 != 8 for index in range(len(models))]]


def _published(rows: Sequence[Row], shape: Shape) -> pd.DataFrame:
    """Return the file as ``read_accuracy`` does."""
    table = _accuracy([each for each in rows if isinstance(each, Model)], shape)
    names = table["model"].reset_index(drop=True)
    return pd.DataFrame(
        {"name": names, "architecture": names.str.split(".").str[0], "img_size": 224.0}
        | {"top1": table["top1"].to_numpy() / 100, "top5": np.nan, "parameters": np.nan}
    )
