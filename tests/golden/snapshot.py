"""Golden comparison of two versions of the program, through its command line: a script, not a test.

    PYTHONPATH=PROGRAM python tests/golden/snapshot.py run OUT [--only PART] [--studies DIR]
    python tests/golden/snapshot.py compare OLD NEW [--only PART] [--without COLUMN]
    python tests/golden/snapshot.py convert OLD NEW

``run`` measures, trains and rounds small things with the program on PYTHONPATH, minutes on one core; every part is a
directory of OUT. ``compare`` reads both (version 0.1 through ``old_rows``) and compares every value bit for bit.
``convert`` writes a snapshot of 0.1 as tables of today. One thread everywhere: sums in another order have other last
bits. Timings, dates and the names of the two directories are not compared.

One departure is known. Shuffles of bit planes of trainings and series (``qubd``, null ``shuffle``, with a step) are
other draws once all kinds of study share one reader: of them everything but the value is compared, and the means in
standard errors of their difference.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if __name__ == "__main__":
    import old_rows
else:  # collected for its doctests
    from tests.golden import old_rows

Frames = dict[str, pd.DataFrame]

REGISTRY = (  # of 0.1, in its order
    *("bdm", "bdm_normalized", "block_entropy", "block_entropy_normalized"),
    *("bdm_2d", "bdm_2d_normalized", "block_entropy_2d", "block_entropy_2d_normalized"),
    *("gzip", "bz2", "lzma", "zstd", "gzip:bits-bytes", "bz2:bits-bytes", "lzma:bits-bytes", "zstd:bits-bytes"),
    *("gzip:float32", "bz2:float32", "lzma:float32", "zstd:float32"),
    *("lz76_density", "exponent_entropy", "mantissa_entropy"),
)
ALL = ",".join(REGISTRY)
SHUFFLES = 10  # of every step of a series or training
SURVEY = ("survey", "--jobs", "1", "--no-report", "--controls", "all")
DIGITS = (*SURVEY, "--zoo", "digits", "--seeds", "2")
SERIES = ("series", "--jobs", "1", "--no-report", "--preset", "fixed", "--bits", "4", "--shuffles", str(SHUFFLES))
STUDY = ("study", "run", "--jobs", "1", "--no-report")
TRAJECTORY = f"""
title = "Two perceptrons, watched"
question = "Are the numbers of a watched training the same?"
[trajectory]
study = "learning"
task = "digits"
hidden = [[24, 16]]
examples = [100]
arms = [{{ weight_decay = 0.01 }}]
seeds = 2
optimizer = "adam"
learning_rate = 1e-3
batch_size = 32
steps = 12
per_decade = 3
metrics = ["bdm", "bdm_2d", "gzip", "lz76_density"]
preset = "fixed"
bits = 4
shuffles = {SHUFFLES}
"""
ADDITION = f"""
title = "A network of sums, watched"
question = "Are the numbers of a watched training without batches the same?"
[trajectory]
study = "grokking"
task = "addition"
modulus = 11
embedding = 16
hidden = [[32]]
arms = [{{ labels = "true", weight_decay = 1.0 }}, {{ labels = "random", weight_decay = 1.0 }}]
seeds = 1
optimizer = "adamw"
learning_rate = 1e-3
steps = 10
per_decade = 2
metrics = ["bdm"]
preset = "fixed"
bits = 3
shuffles = {SHUFFLES}
tensor_rows = false
"""
TRAINING = """
title = "Baseline, QAT and MoMos, two epochs"
question = "Are the weights of a training the same?"
[training]
dataset = "digits"
models = ["mlp"]
bits = [8]
s = [2]
capacity = [0.01]
seeds = 1
epochs = 2
metrics = ["bdm", "gzip", "qubd"]
"""
ROUNDING = """
title = "One network, rounded"
question = "Are suggestions and accuracies the same?"
[quantization]
models = ["mlp_12"]
seeds = 1
bits = 4
references = ["shuffle", "initial", "random"]
shuffles = 5
initializations = 3
margins = [0, 1]
layer_bits = [1, 2]
"""
TOML = {"trajectory": TRAJECTORY, "addition": ADDITION, "training": TRAINING, "rounding": ROUNDING}
LOSSES = (
    "step,epoch,train_loss,validation_loss,validation_accuracy\n0,0,2.5,2.6,0.1\n10,1,1.25,1.5,0.55\n40,4,0.5,,0.75\n"
)


@dataclass(frozen=True)
class Part:
    """One command, run in OUT; with ``json`` what it prints is kept, else it writes tables into OUT/NAME."""

    name: str
    command: tuple[str, ...]
    json: str = ""  # measure or compare
    exit_code: int = 0

    def arguments(self) -> list[str]:
        return [*self.command, "--json"] if self.json else [*self.command, "--out", self.name]


def models(*names: str) -> tuple[str, ...]:
    return tuple(argument for name in names for argument in ("--model", name))


NETWORK = "digits:resnet8_w6"
PLANES = ("--bits", "4")
LAST = "inputs/checkpoints/step-40.safetensors"
PARTS = (
    Part("survey", (*DIGITS, *models("mlp_12", "resnet8_w6", "vit_d96x4"), "--metrics", ALL, *PLANES)),
    Part("survey_qubd_paper", (*DIGITS, *models("resnet8_w6"), "--preset", "qubd-paper", "--metrics", "bdm,bdm_2d")),
    Part("survey_momos_paper", (*DIGITS, *models("resnet8_w6"), "--preset", "momos-paper")),
    Part("survey_files", (*SURVEY, "--zoo", "checkpoints", "--weights", "inputs/pairs.csv", *PLANES), "", 3),
    Part("measure_all", ("measure", NETWORK, "--metrics", ALL, *PLANES, "--controls", "all"), "measure"),
    Part(
        "measure_model",
        ("measure", "digits:mlp_12", "--scope", "model", "--state", "initial", "--seed", "1"),
        "measure",
    ),
    Part("measure_file", ("measure", LAST, "--metrics", "bdm,bdm_2d,gzip", *PLANES, "--controls", "all"), "measure"),
    Part("measure_paper", ("measure", NETWORK, "--preset", "qubd-paper", "--controls", "gaussian"), "measure"),
    Part(
        "measure_broken", ("measure", "inputs/broken/step-10.safetensors", *PLANES, "--controls", "all"), "measure", 1
    ),
    Part("compare_states", ("compare", NETWORK, NETWORK, "--state-a", "initial", "--metrics", ALL, *PLANES), "compare"),
    Part("compare_seeds", ("compare", *[NETWORK] * 2, "--seed-b", "1", "--preset", "momos-paper"), "compare"),
    Part("compare_files", ("compare", "inputs/checkpoints/step-0.safetensors", LAST, *PLANES), "compare"),
    Part("compare_broken", ("compare", *(f"inputs/broken/step-{step}.safetensors" for step in (10, 20))), "compare"),
    Part(
        "series",
        (*SERIES, "inputs/checkpoints", "--metrics", ALL, "--tensor-rows", "--losses", "inputs/losses.csv"),
    ),
    Part(
        "series_broken", (*SERIES, "inputs/broken", "--metrics", "bdm,bdm_2d,gzip,lz76_density", "--tensor-rows"), "", 3
    ),
    *(Part(name, (*STUDY, f"inputs/{name}.toml")) for name in ("trajectory", "addition", "rounding")),
    Part("training", (*STUDY, "inputs/training.toml", "--device", "cpu")),
)


# --- run


def run(out: Path, only: Sequence[str], studies: Path | None) -> int:
    """Run the parts that are not done; return 0 if every one ended as it should."""
    out = out.resolve()
    write_inputs(out / "inputs", studies)
    (out / "logs").mkdir(exist_ok=True)
    print(f"program: {program(out)}", flush=True)
    codes = read_codes(out)
    for part in wanted(only):
        if codes.get(part.name) == part.exit_code:
            print(f"{part.name}: done before")
            continue
        codes[part.name] = run_part(part, out)
        said = "ok" if codes[part.name] == part.exit_code else f"FAILED, see {out / 'logs' / part.name}.log"
        print(f"{part.name}: exit code {codes[part.name]}, {said}", flush=True)
        (out / "codes.json").write_text(json.dumps(codes, indent=1) + "\n", encoding="utf-8")
    return int(any(codes.get(part.name) != part.exit_code for part in wanted(only)))


def wanted(only: Sequence[str]) -> list[Part]:
    unknown = set(only) - {part.name for part in PARTS}
    if unknown:
        raise SystemExit(f"no part {unknown.pop()}; there are {', '.join(part.name for part in PARTS)}")
    return [part for part in PARTS if not only or part.name in only]


def read_codes(out: Path) -> dict[str, int]:
    file = out / "codes.json"
    found: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def environment() -> dict[str, str]:
    """Return the environment of a program that takes one core, and nothing from where the script is called."""
    paths = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    one = dict.fromkeys(("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return os.environ | one | {"PYTHONPATH": os.pathsep.join(paths)}


def program(out: Path) -> str:
    """Return where the program that is run lies."""
    asked = [sys.executable, "-c", "import complexity_lab; print(complexity_lab.__file__)"]
    return subprocess.run(asked, cwd=out, env=environment(), check=True, capture_output=True, text=True).stdout.strip()


def run_part(part: Part, out: Path) -> int:
    command = [sys.executable, "-m", "complexity_lab", *part.arguments()]
    done = subprocess.run(command, cwd=out, env=environment(), check=False, capture_output=True, text=True)
    log = f"{' '.join(part.arguments())}\n{done.stderr}" + ("" if part.json else done.stdout)
    (out / "logs" / f"{part.name}.log").write_text(log, encoding="utf-8")
    if part.json:
        (out / f"{part.name}.json").write_text(done.stdout, encoding="utf-8")
    return done.returncode


def write_inputs(folder: Path, studies: Path | None) -> None:
    """Write checkpoints, losses and study files; those of ``studies`` (NAME.toml) instead of those of 0.1."""
    from safetensors.numpy import save_file

    for name in ("checkpoints", "broken"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for step in (0, 10, 20, 40):
        save_file(tensors(step), folder / "checkpoints" / f"step-{step}.safetensors")
    damaged = tensors(10)
    damaged["layers.0.weight"][3, 4] = np.nan
    save_file(damaged, folder / "broken" / "step-10.safetensors")
    save_file(tensors(0), folder / "broken" / "step-0.safetensors")
    save_file(tensors(20) | {"output.weight": np.ones((2, 48), np.float32)}, folder / "broken" / "step-20.safetensors")
    whole = (folder / "checkpoints" / "step-40.safetensors").read_bytes()
    (folder / "broken" / "step-40.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "losses.csv").write_text(LOSSES, encoding="utf-8")
    pairs = ("checkpoints/step-40", *(f"broken/step-{step}" for step in (10, 20, 40)))
    lines = [f"{path.replace('/', '-')},checkpoints/step-0.safetensors,{path}.safetensors" for path in pairs]
    (folder / "pairs.csv").write_text("\n".join(["id,initial,trained", *lines, ""]), encoding="utf-8")
    for name, text in TOML.items():
        own = None if studies is None else studies / f"{name}.toml"
        content = own.read_text(encoding="utf-8") if own is not None and own.exists() else text
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")


def tensors(step: int) -> dict[str, np.ndarray]:
    """Return the weights of a made-up training: noise that a matrix of low rank grows in.

    The order of the names is the same by alphabet and in a model: the comparison must not depend on it.
    """
    rng = np.random.default_rng(11)
    shapes = {
        **{"embedding.weight": (50, 32), "layers.0.weight": (48, 32), "layers.1.weight": (48,)},
        **{"layers.2.weight": (24, 16, 3, 3), "layers.3.weight": (7, 3), "output.weight": (10, 48)},
    }
    found = {}
    for name, shape in shapes.items():
        noise = rng.normal(size=shape)
        low = np.multiply.outer(rng.normal(size=shape[0]), rng.normal(size=shape[1:]))
        kind = np.float16 if name == "layers.2.weight" else np.float32
        found[name] = (noise + 0.02 * step * low).astype(kind)
    return found | {"output.weight_codes": np.arange(12, dtype=np.int8)}


# --- compare

KEYS = {
    "measurements": ("model", "state", "seed", "step", "scope", "tensor", "metric", "plane", "null", "statistic"),
    "comparison": ("scope", "tensor", "metric", "plane"),
    "models": ("model",),
    "histograms": ("model", "state", "seed", "block"),
    "runs": ("model",),
    "curves": ("model", "step"),
    "layers": ("model", "tensor", "reference"),
    "sensitivities": ("model", "tensor", "bits"),
    "accuracies": ("model", "method", "reference", "margin", "bits"),
}
RENAMED = {"roundings": "accuracies"}  # tables of today, by their names here
REWORDED = {  # 0.1 had no singular, and no commas in large numbers
    "1 axes": "1 axis",
    "1 block(s)": "1 block",
    "1 values are": "1 value is",
    "1 weights": "1 weight",
    "1 bits": "1 bit",
}
SUMMED_OTHERWISE = ("series", "series_broken", "trajectory", "addition", "training")
"""Parts whose tensors were scored one by one and are scored 256 at a time today, as those of surveys always were:
the terms of a BDM are added in another order, and values differ in the last bits."""
ELSEWHERE = {  # columns of 0.1 that are rows of another table today, or follow from them
    "runs": ("bdm_initial", "bdm_final", "bdm_ratio"),
    "accuracies": ("status", "error_type", "error", "seconds"),
}
COLUMNS = {"kind": "method_kind", "test_accuracy": "test_accuracy_final"}  # of runs, by their names in 0.1
CLOSE = 1e-12  # relative
NOT_COMPARED = re.compile(r"study|order|peak_memory|seconds.*|created.*")
ALSO_NULL = ("value", "unit", "status", "reason", "error_type", "error")  # of these a null is a statement too
LISTS = ("codes", "counts", "profile", "percent", "t")


@dataclass
class Report:
    """What a comparison found."""

    values: int = 0
    rows: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)  # that differ, by table
    close: int = 0  # values that differ by less than CLOSE where terms are added in another order
    draws: list[float] = field(default_factory=list)  # differences of means of other draws, in standard errors
    spreads: list[float] = field(default_factory=list)  # ratios of their sds

    def show(self) -> int:
        print(f"\n{self.rows:,} old rows, {self.values:,} values compared")
        if self.close:
            print(f"{self.close:,} values of steps are sums in another order and differ by less than {CLOSE:g}")
        self._show_draws()
        for title, lines in (("missing", self.missing), ("different", self.different)):
            print(f"{len(lines):,} {title}")
            print("".join(f"  {line}\n" for line in lines[:20]), end="")
        for column, number in self.columns.most_common():
            print(f"  {number:,} differ in {column}")
        print(f"{self.extra.total():,} extra new rows")
        print("".join(f"  {number:,} x {name}\n" for name, number in sorted(self.extra.items())), end="")
        return int(bool(self.missing or self.different))

    def _show_draws(self) -> None:
        if not self.draws:
            return
        apart, spread = np.array(self.draws), np.array(self.spreads)
        print(
            f"{len(apart):,} means of other draws: |difference| in standard errors has median {np.median(apart):.2f} "
            f"(expected 0.7), 99 % below {np.quantile(apart, 0.99):.1f}, largest {apart.max():.1f}; "
            f"{np.count_nonzero(apart == 0):,} are equal; ratios of sds {spread.min():.2f} to {spread.max():.2f}, "
            f"median {np.median(spread):.2f}"
        )
        if np.median(apart) > 1.2 or apart.max() > 10:
            self.different.append("means of other draws are too far apart to be draws of one law")


def compare(old: Path, new: Path, only: Sequence[str], without: Sequence[str]) -> int:
    """Compare every part of an old snapshot with a new one; return 1 if something is missing or different."""
    report = Report()
    for part in wanted(only):
        if not (found := frames_of(part, old)):
            report.missing.append(f"{part.name}: the old snapshot has no such part")
            continue
        others = frames_of(part, new)
        before = (report.rows, len(report.missing), len(report.different))
        for table, frame in found.items():
            name = f"{part.name}/{table}"
            if table not in others:
                report.missing.append(f"{name}: no such table, {len(frame):,} rows")
                continue
            roots = (str(old.resolve()), str(new.resolve()))
            Tables(name, table, as_today(table, frame), others[table], roots, without).compare(report)
        rows, missing, different = np.array((report.rows, len(report.missing), len(report.different))) - before
        print(f"{part.name}: {rows:,} rows, {missing} missing, {different} different")
        a, b = (read_codes(root).get(part.name, part.exit_code) for root in (old, new))
        if a != b:
            report.different.append(f"{part.name}: exit code {a}, now {b}")
    return report.show()


@dataclass(frozen=True)
class Tables:
    """One table of both snapshots."""

    name: str
    table: str
    old: pd.DataFrame
    new: pd.DataFrame
    roots: tuple[str, str]
    without: Sequence[str]

    def compare(self, report: Report) -> None:
        if self.old.empty:
            return
        keys = self.keys()
        old, new = (self._plain(frame, keys) for frame in (self.old, self.new))
        report.rows += len(old)
        for which, frame in (("old", old), ("new", new)):
            twice = frame[frame.duplicated(keys)]
            report.different += [f"{self.name}: {which} key twice: {said(row, keys)}" for row in records(twice)]
        both = old.merge(new.drop_duplicates(keys), on=keys, how="outer", suffixes=(":old", ":new"), indicator=True)
        report.missing += [f"{self.name}: {said(row, keys)}" for row in records(both[both["_merge"] == "left_only"])]
        self._count_extra(both[both["_merge"] == "right_only"], report)
        self._compare_columns(both[both["_merge"] == "both"].reset_index(drop=True), keys, report)

    def keys(self) -> list[str]:
        """Return the key; what the old rows never say, such as the state of a step, is no part of it."""
        always = ("plane", "null", "statistic") if self.table == "measurements" else ()
        return [
            name for name in KEYS[self.table] if name in self.old and (name in always or self.old[name].notna().any())
        ]

    def _plain(self, frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
        """Return a frame with all keys, lists as exact text, without the names of the two directories."""
        frame = old_rows.typed(frame.reindex(columns=list(dict.fromkeys((*keys, *frame.columns)))))
        for column in frame.columns:
            if column in LISTS:
                frame[column] = [None if x is None else str(np.asarray(x).tolist()) for x in frame[column]]
            elif column in ("reason", "error", "source"):
                for root in self.roots:
                    frame[column] = frame[column].str.replace(f"{root}/", "", regex=False)
                frame[column] = frame[column].str.replace(r"(?<=\d),(?=\d{3})", "", regex=True)
                for was, now in REWORDED.items():
                    frame[column] = frame[column].str.replace(rf"\b{re.escape(was)}", now, regex=True)
        return frame

    def _count_extra(self, rows: pd.DataFrame, report: Report) -> None:
        names = [name for name in ("metric", "null", "statistic") if name in rows]
        report.extra.update(f"{self.name}: {said(row, names) or 'row'}" for row in records(rows))

    def _compare_columns(self, both: pd.DataFrame, keys: Sequence[str], report: Report) -> None:
        other = self._other_draws(both)
        for column in self.old.columns:
            if column in keys or NOT_COMPARED.fullmatch(column) or {column, f"{self.table}.{column}"} & {*self.without}:
                continue
            if self.old[column].isna().all() and column not in self.new:
                continue
            if column not in self.new:
                report.missing.append(f"{self.name}: no column {column}")
                continue
            a, b = both[f"{column}:old"], both[f"{column}:new"]
            asked = np.ones(len(a), bool) if column in ALSO_NULL else a.notna().to_numpy()
            if column == "value":
                asked &= ~other
            report.values += int(asked.sum())
            differs = asked & ~same(a, b)
            if column == "value" and self.name.partition("/")[0] in SUMMED_OTHERWISE:
                close = differs & np.isclose(a.astype(float), b.astype(float), rtol=CLOSE, atol=0.0)
                report.close += int(close.sum())
                differs &= ~close
            report.columns[f"{self.name}.{column}"] += int(differs.sum())
            for row in records(both[differs]):
                was, now = (short(row[f"{column}:{which}"]) for which in ("old", "new"))
                report.different.append(f"{self.name}: {said(row, keys)}: {column} was {was}, is {now}")
        report.columns += Counter()  # without those that do not differ
        if other.any():
            self._compare_draws(both[other], keys, report)

    def _other_draws(self, both: pd.DataFrame) -> np.ndarray:
        """Return which rows are shuffles of bit planes of a step."""
        if self.table != "measurements" or "step" not in both or "null" not in both:
            return np.zeros(len(both), bool)
        drawn = (both["metric"] == "qubd") & (both["null"] == "shuffle") & both["step"].notna()
        return (drawn & both["value:old"].notna() & both["value:new"].notna()).to_numpy(bool)

    def _compare_draws(self, both: pd.DataFrame, keys: Sequence[str], report: Report) -> None:
        place = [name for name in keys if name != "statistic"]
        means, sds = (both[both["statistic"] == name] for name in ("mean", "sd"))
        pairs = means.merge(sds, on=place, suffixes=("", "|sd"))
        spread = np.sqrt((pairs["value:old|sd"] ** 2 + pairs["value:new|sd"] ** 2) / SHUFFLES)
        apart = (pairs["value:new"] - pairs["value:old"]).abs()
        report.draws += [0.0 if d == 0 else d / s if s else np.inf for d, s in zip(apart, spread, strict=True)]
        report.spreads += (pairs["value:new|sd"] / pairs["value:old|sd"]).dropna().tolist()


def as_today(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of 0.1 with the columns of today: renamed, and without those that went elsewhere."""
    if table == "runs":
        known = {was: now for was, now in COLUMNS.items() if now not in frame}
        frame = frame.rename(columns=known).drop(columns=list(COLUMNS), errors="ignore")
        frame = frame.assign(optimizer=[x.split(",")[0] if isinstance(x, str) else None for x in frame["optimizer"]])
    return frame.drop(columns=list(ELSEWHERE.get(table, ())), errors="ignore")


def same(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Return where two columns of one type are equal, floats bit for bit; two nulls are."""
    empty = a.isna().to_numpy() & b.isna().to_numpy()
    if a.dtype == np.float64 and b.dtype == np.float64:
        return empty | (a.to_numpy().view(np.int64) == b.to_numpy().view(np.int64))
    return empty | np.array([x == y if pd.notna(x) and pd.notna(y) else False for x, y in zip(a, b, strict=True)], bool)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def said(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names if pd.notna(row[name]) and row[name] != "")


# --- read, convert


def frames_of(part: Part, root: Path) -> Frames:
    """Return the tables of one part of a snapshot; none if it is not there."""
    if part.json:
        file = root / f"{part.name}.json"
        rows = json.loads(file.read_text(encoding="utf-8") or "[]") if file.exists() else []
        return {} if not rows else {"measurements" if part.json == "measure" else "comparison": printed(part, rows)}
    directory = root / part.name
    if not directory.is_dir():
        return {}
    return old_rows.convert(directory, part.name) if is_old(directory) else dict(new_tables(directory))


def printed(part: Part, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows that a command printed, as rows of today."""
    if "plane" in rows[0]:
        return old_rows.typed(pd.DataFrame(rows))
    if part.json == "compare":
        return old_rows.comparison(rows)
    return old_rows.typed(old_rows.measurements(pd.DataFrame(rows)))


def is_old(directory: Path) -> bool:
    """Tell whether a directory was written by 0.1."""
    if any((directory / table).is_dir() for table in ("steps", "series", "epochs")):
        return True
    key = {"measurements": "plane", "accuracies": "architecture"}
    parts = [(part, key[table]) for table in key for part in (directory / table).glob("*.parquet")]
    return any(name not in pq.read_schema(part).names for part, name in parts)


def new_tables(directory: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and rows of every table of today: DIR/TABLE.parquet, DIR/TABLE/*.parquet or both."""
    for table in (*KEYS, *RENAMED):
        parts = [*sorted((directory / table).glob("*.parquet")), *directory.glob(f"{table}.parquet")]
        if parts:
            arrow = pa.concat_tables(
                [pq.read_table(part, partitioning=None) for part in parts], promote_options="default"
            )
            frame = old_rows.typed(arrow.to_pandas(types_mapper=old_rows.PANDAS.get))
            yield RENAMED.get(table, table), as_series(directory, table, frame)


def as_series(directory: Path, table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return runs and curves of a series as 0.1 had them: one run for all checkpoints, losses beside the steps."""
    losses = directory / "losses.csv"
    if table == "runs" and "step" in frame and frame["step"].notna().any():
        ok = frame[frame["status"] == "ok"]
        return (ok if len(ok) else frame).drop_duplicates("model").assign(reference=frame["step"].min())
    if table == "curves" and losses.exists():
        known = pd.read_csv(losses)
        return frame.drop(columns=[name for name in known if name != "step" and name in frame]).merge(known, on="step")
    return frame


def convert(old: Path, new: Path) -> int:
    """Write a snapshot of 0.1 as one of today."""
    new.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if part.json:
            frame = next(iter(frames_of(part, old).values()))
            rows = [{name: None if pd.isna(x) else x for name, x in row.items()} for row in records(frame)]
            text = json.dumps(rows, indent=1)
            (new / f"{part.name}.json").write_text(text, encoding="utf-8")
        else:
            frames = old_rows.write_converted(old / part.name, new / part.name, part.name)
            print(part.name, {table: len(frame) for table, frame in frames.items()})
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running, comparing, converting = (commands.add_parser(name) for name in ("run", "compare", "convert"))
    running.add_argument("out", type=Path)
    running.add_argument("--studies", type=Path, help="directory of NAME.toml, for a program with other study files")
    for each in (comparing, converting):
        each.add_argument("old", type=Path)
        each.add_argument("new", type=Path)
    comparing.add_argument("--without", action="append", default=[], help="COLUMN or TABLE.COLUMN that may differ")
    for each in (running, comparing):
        each.add_argument("--only", action="append", default=[], help="a part by name; repeat for several")
    asked = parser.parse_args()
    act: dict[str, Callable[[], int]] = {
        "run": lambda: run(asked.out, asked.only, asked.studies),
        "compare": lambda: compare(asked.old, asked.new, asked.only, asked.without),
        "convert": lambda: convert(asked.old, asked.new),
    }
    return act[asked.command]()


if __name__ == "__main__":
    sys.exit(main())
