"""The rows of every table, as types: each field says what it means and in what unit, and no row is built otherwise.

A table's columns are the fields of its row type, in this order; ``columns`` has their names for those who read tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Status = Literal["ok", "failed", "skipped"]
Scope = Literal["model", "tensor"]
Statistic = Literal["value", "mean", "sd"]
OK: Status = "ok"


def column(kind: str, meaning: str, **default: Any) -> Any:
    """Declare a field: its Arrow type by name, its meaning with the unit, and a default if it may be left out."""
    return field(metadata={"kind": kind, "description": meaning}, **default)


def text(meaning: str, **default: Any) -> Any:
    """Declare a column of text."""
    return column("string", meaning, **default)


def count(meaning: str, default: int | None = None) -> Any:
    """Declare a column of whole numbers that may be null."""
    return column("int64", meaning, default=default)


def number(meaning: str, default: float | None = None) -> Any:
    """Declare a column of numbers that may be null."""
    return column("float64", meaning, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What all tables share: which study a row is of."""

    TABLE: ClassVar[str] = ""
    SORTED_BY: ClassVar[tuple[str, ...]] = ("model",)

    study: str = text("name of the study; empty where it has none", default="")
    model: str = text(
        "id of what was measured: a model of a zoo, a run of a training, a series, a network and its seed"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Row):
    """One number about weights, or why there is none."""

    TABLE: ClassVar[str] = "measurements"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("model", "state", "seed", "step", "scope")

    state: str | None = text("initial or trained; null for steps of a training", default=None)
    seed: int | None = count("of the initialization or training; null where there is only one set of weights")
    step: int | None = count("optimizer steps taken, 0 is before training; null for models of a zoo")
    scope: Scope = text("model (all of its weights) or tensor")
    tensor: str | None = text("name of the tensor; null for scope model", default=None)
    kind: str | None = text("matrix, norm, bias, embedding or other; null for scope model", default=None)
    shape: str | None = text("64x3x7x7; null for scope model", default=None)
    metric: str = text("name in the registry of estimators")
    plane: int | None = count("bit plane, 0 the least significant; null for metrics without planes, and for their sum")
    null: str | None = text("null model, see the registry of controls; null for the weights themselves", default=None)
    statistic: Statistic = text("value; of null models mean or sd over draws", default="value")
    value: float | None = number("the number; null unless status is ok")
    unit: str = text("unit of value")
    scored: int | None = count("weights that entered the number")
    dropped: int | None = count("weights that did not")
    ones: int | None = count("scored weights above zero; null where bits are not counted")
    blocks: int | None = count("blocks counted; null where they are not")
    distinct_blocks: int | None = count("different blocks seen; null where they are not counted")
    raw_bytes: int | None = count("payload of a compressor; null otherwise")
    compressed_bytes: int | None = count("its compressed size; null otherwise")
    preset: str | None = text("rules the number was made by: qubd-paper, fixed or momos-paper", default=None)
    departures: str | None = text("where these rules, as computed here, differ from the publication", default=None)
    note: str | None = text("how the values were read if not as they are stored: dequantized, float8", default=None)
    order: str | None = text("order of the tensors: model, natural (by names and numbers) or file", default=None)
    status: Status = text("ok, failed or skipped", default=OK)
    reason: str | None = text("why not ok; null if ok", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Row):
    """How often each block occurs in one set of weights: any estimator of block counts can be computed from it."""

    TABLE: ClassVar[str] = "histograms"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("model", "state", "seed")

    state: str | None = text("initial or trained", default=None)
    seed: int | None = count("as in measurements")
    block: str = text("12 or 4x4")
    scored: int = column("int64", "weights in complete blocks")
    dropped: int = column("int64", "weights outside")
    ones: int = column("int64", "scored weights above zero")
    codes: Any = column("list<int32>", "blocks that occur; bit i of a code is the i-th value of the block, row-major")
    counts: Any = column("list<int64>", "occurrences of each code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Row):
    """What a finished task came to: every kind of study has one of these per task."""

    seconds: float | None = number("wall time; seconds")
    status: Status = text("ok, failed or skipped", default=OK)
    error_type: str | None = text("class of the error; null if ok", default=None)
    error: str | None = text("one sentence; null if ok", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Record):
    """One model of a zoo."""

    TABLE: ClassVar[str] = "models"

    zoo: str = text("zoo that supplied it")
    architecture: str = text("architecture without pretraining tag")
    tag: str = text("pretraining tag, empty if none", default="")
    family: str = text("family of architectures")
    parameters: int | None = count("trainable parameters, shared tensors once; counted if measured, else from the card")
    dataset: str = text("training data, as the zoo names it", default="")
    licence: str = text("licence of the weights, as the publisher names it", default="")
    source: str = text("where the weights come from: hub id, path or recipe", default="")
    revision: str | None = text("commit, checksum or recipe version of the trained weights", default=None)
    test_accuracy: float | None = number("mean over trained seeds, fraction of held-out examples; null if unknown")
    test_accuracy_lowest: float | None = number("lowest of the trained seeds")
    seconds_build: float | None = number("building and initializing the module, all seeds; seconds")
    seconds_load: float | None = number("fetching or training, and reading trained weights; seconds")
    seconds_measure: float | None = number("counting and estimating; seconds")
    peak_memory: int | None = count("highest resident memory of the worker so far; bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Record):
    """One training, or one checkpoint of a series. What a kind of study has no word for is null."""

    TABLE: ClassVar[str] = "runs"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("model", "step")

    step: int | None = count("of a checkpoint in its series, whose rows share model; null for a whole training")

    name: str = text("what a reader calls it")
    group: str = text("runs that differ only in their seed share it")
    architecture: str = text("network")
    dataset: str | None = text("what it was trained on", default=None)
    examples: int | None = count("training examples")
    labels: str | None = text("true or random (permuted)", default=None)
    seed: int | None = count("of initialization, order of examples, augmentation and motifs")
    reference: int | None = count("step that ratios are relative to; null: 0 if it was measured, else the first")
    method: str | None = text("baseline, qat-8, momos-s4-c0.01, ...", default=None)
    method_kind: str | None = text("baseline, qat, momos or momos+qat", default=None)
    bits: int | None = count("bits of a weight in the forward pass; 32 without rounding")
    s: int | None = count("values in a block; null without motifs")
    capacity: float | None = number("motifs as a share of the blocks; null if their number was given")
    k: int | None = count("motifs")
    blocks: int | None = count("blocks, incomplete ones included")
    every: str | None = text("when weights are projected: step, epoch, or a number of steps", default=None)
    choice: str | None = text("how motifs are chosen", default=None)
    preset: str | None = text("recipe: paper, reference or quick", default=None)
    device: str | None = text("where it was trained", default=None)
    threads: int | None = count("of the CPU; sums in another order end in other last bits")
    precision: str | None = text("of the forward pass", default=None)
    optimizer: str | None = text("adam, adamw or sgd", default=None)
    learning_rate: float | None = number("at the start")
    weight_decay: float | None = number("of the parameters that decay")
    batch_size: int | None = count("examples in a step; null: all of them")
    image_size: int | None = count("pixels per side that the network sees")
    patience: int | None = count("epochs without a lower validation loss before training stops; null never stops")
    classes: int | None = count("of the examples; guessing is right once in so many")
    parameters: int | None = count("trainable parameters")
    epochs_planned: int | None = count("epochs of the recipe")
    epochs: int | None = count("epochs trained")
    stopped_early: bool | None = column("bool", "whether the recipe's patience ran out", default=None)
    best_epoch: int | None = count("epoch of the lowest validation loss")
    validation_accuracy_best: float | None = number("at the best epoch; fraction")
    validation_accuracy_final: float | None = number("at the last epoch; fraction")
    test_accuracy_best: float | None = number("of the weights of the best epoch; fraction")
    test_accuracy_final: float | None = number("of the last weights; fraction")
    rac: float | None = number("relative algorithmic compression: dense bits over bits of the mosaic")
    distortion_first: float | None = number("sum of squared changes of the last projection of the first epoch")
    distortion_final: float | None = number("sum of squared changes of the last projection")
    used_motifs: int | None = count("motifs that a block was given in the last projection")
    distinct_motifs: int | None = count("motifs of different values in the last projection")
    projections: int | None = count("projections in all")
    seconds_projection: float | None = number("of the wall time in projections; seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint(Row):
    """Losses, accuracies and projections at one step of a training; ``measurements`` has the complexity there."""

    TABLE: ClassVar[str] = "curves"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("model", "step")

    seed: int | None = count("of the run")
    step: int = column("int64", "optimizer steps taken; 0 is before training")
    epoch: float | None = number("passes over the training examples; null where that is not known")
    source: str | None = text("file, revision or network of these weights", default=None)
    learning_rate: float | None = number("of the first group of parameters")
    train_loss: float | None = number("mean over training examples or batches; nats")
    train_accuracy: float | None = number("fraction of training examples")
    validation_loss: float | None = number("mean over validation examples; nats")
    validation_accuracy: float | None = number("fraction of validation examples")
    distortion: float | None = number("sum of squared changes of the last projection of the epoch")
    num_changed_weights: int | None = count("weights that the last projection changed")
    used_motifs: int | None = count("motifs that a block was given")
    distinct_motifs: int | None = count("motifs of different values")
    projections: int | None = count("projections in this epoch")
    seconds_training: float | None = number("optimizer steps, projections included; seconds")
    seconds_projection: float | None = number("projections; seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Record):
    """One network whose weights were rounded."""

    TABLE: ClassVar[str] = "networks"

    architecture: str = text("architecture")
    family: str = text("family of architectures")
    seed: int = column("int64", "of the training")
    parameters: int | None = count("trainable parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding(Row):
    """What a network gets right after its weights were rounded in one way."""

    TABLE: ClassVar[str] = "roundings"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("architecture", "seed")

    architecture: str = text("architecture")
    family: str = text("family of architectures")
    parameters: int | None = count("trainable parameters")
    seed: int = column("int64", "of the training")
    method: str = text("float, uniform, suggested; flat, bare, by_error: see statistics.rounding")
    reference: str | None = text("of a suggestion, or of the one whose budget this is; null otherwise", default=None)
    margin: int | None = count("planes kept below the structure; null without reference")
    bits: int | None = count("of uniform rounding; null otherwise")
    mean_bits: float = column("float64", "mean over the rounded weights; 32 for float")
    tensors: int = column("int64", "rounded tensors, those of two or more axes")
    weights: int = column("int64", "values in them")
    suggested_weights: int | None = count("values in tensors whose planes told; null without reference")
    validation_accuracy: float | None = number("fraction of the validation images")
    validation_loss: float | None = number("cross-entropy; nats")
    validation_images: int | None = count("how many")
    test_accuracy: float | None = number("fraction of the test images")
    test_loss: float | None = number("cross-entropy; nats")
    test_images: int | None = count("how many")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundedLayer(Row):
    """What the planes of one tensor suggest."""

    TABLE: ClassVar[str] = "layers"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("architecture", "seed")

    architecture: str = text("architecture")
    seed: int = column("int64", "of the training")
    tensor: str = text("name of the parameter")
    place: int = column("int64", "among the tensors of two or more axes, in model order, from 0")
    kind: str = text("matrix, norm, bias, embedding or other")
    shape: str = text("64x3x7x7")
    weights: int = column("int64", "values in the tensor")
    reference: str = text("shuffle, initial or random")
    profile: Any = column("list<float64>", "QuBD of each plane, least significant first; bits; null if not scored")
    percent: Any = column("list<float64>", "of the reference, plane by plane; null if not scored")
    t: Any = column("list<float64>", "standard errors from the reference, plane by plane; null if not scored")
    shown: int | None = count("most significant planes that include every structured or unresolved one; null if none")
    suggested: bool = column("bool", "whether the planes told")
    reason: str | None = text("why they did not, null if they did", default=None)
    bare_bits: int | None = count("planes down to the last below the threshold, chance not considered; null if none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity(Row):
    """What rounding one tensor alone does to the network."""

    TABLE: ClassVar[str] = "sensitivities"
    SORTED_BY: ClassVar[tuple[str, ...]] = ("architecture", "seed")

    architecture: str = text("architecture")
    seed: int = column("int64", "of the training")
    tensor: str = text("name of the parameter")
    weights: int = column("int64", "values in the tensor")
    bits: int = column("int64", "of each weight of this tensor, all others left as trained")
    relative_error: float = column("float64", "squared rounding error over squared norm of the tensor")
    validation_accuracy: float | None = number("with this tensor alone rounded; fraction; null if not evaluated")
    validation_loss: float | None = number("cross-entropy; nats; null if not evaluated")


ROWS: tuple[type[Row], ...] = (
    *(Model, Run, Network, Measurement, Histogram, CurvePoint, Rounding, RoundedLayer, Sensitivity),
)
