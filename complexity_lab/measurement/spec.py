"""What to measure of a set of weights, validated when it is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from complexity_lab.binary.block_counts import Shape
from complexity_lab.binary.counting import SQUARE, STRING
from complexity_lab.controls.null import CountNull, NullModel
from complexity_lab.controls.registry import checked_controls, null_models
from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.estimators.estimator import QUBD, CompressorEstimator, CountEstimator, StreamEstimator, estimator
from complexity_lab.estimators.presets import Preset, preset_of
from complexity_lab.estimators.qubd import Rules

DEFAULT = ("bdm",)
DRAWS = 20
Family = TypeVar("Family", CountEstimator, CompressorEstimator, StreamEstimator)


@dataclass(frozen=True)
class MeasurementSpec:
    """Which numbers to compute: small, hashable and quick to send to a worker. ``spec_of`` builds one from options.

    Attributes:
        metrics: names in the registry of estimators. ``qubd`` adds the sum over bit planes and every plane, by the
            rules of the preset, or of ``fixed`` without one.
        tensor_rows: rows of every tensor too, not only of the whole model.
        tensor_compressors: compressors of every tensor too.
        preset: ``qubd-paper`` or ``fixed``, which add the bit planes, or ``momos-paper``, which names its own metrics.
        bits: planes of QuBD, 1 to 16, instead of the preset's; alone it means ``fixed``.
        controls: names of null models to draw; others, from counts alone, always come with their metrics.
        draws: of each null model, 0 for none, else 2 or more. Some take fewer because theirs cost more.
        seed: of all draws: two measurements by one spec differ by their weights alone.

    Raises:
        InputError: nothing to measure, a metric twice or beside a preset that names its own, ``metrics`` that are one
            text, or ``bits``, ``draws`` or ``seed`` out of range.
        UnknownNameError: no such metric, preset or null model; the message suggests the nearest.
    """

    metrics: tuple[str, ...] = DEFAULT
    tensor_rows: bool = True
    tensor_compressors: bool = False
    preset: str | None = None
    bits: int | None = None
    controls: tuple[str, ...] = ()
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_text(self.metrics, "metrics")
        _refuse_text(self.controls, "controls")
        for name in self.metrics:
            estimator(name)
            if self.metrics.count(name) > 1:
                raise InputError(f"metric {name} is named twice")
        own = None if self.made_by is None else self.made_by.metrics
        if own is not None and self.metrics != own:
            names = ", ".join(self.metrics)
            raise InputError(f"metrics {names} and a preset that has {', '.join(own)}; leave one of them out")
        if not self.metrics and self.rules is None:
            raise InputError("no metric asked for, wanted at least one, such as bdm")
        known = checked_controls(self.controls)
        if self.controls != known:
            raise InputError(f"controls {', '.join(self.controls)}, wanted each once and in order: {', '.join(known)}")
        if self.draws < 0 or self.draws == 1:
            raise InputError(
                f"{counted(self.draws, 'draw')} of null models, wanted 0 for none, else 2 or more: one has no spread"
            )
        if self.seed < 0:
            raise InputError(f"seed {self.seed}, wanted 0 or more")

    @property
    def made_by(self) -> Preset | None:
        """The rules that numbers are made by, None if none were named."""
        without = self.preset is None and self.bits is None and QUBD.name in self.metrics
        return preset_of("fixed" if without else self.preset, self.bits)

    @property
    def rules(self) -> Rules | None:
        """Rules of the bit planes; None if none are asked for."""
        return None if self.made_by is None else self.made_by.rules

    @property
    def counted(self) -> tuple[CountEstimator, ...]:
        """Estimators that read block counts."""
        return self._of(CountEstimator)

    @property
    def compressed(self) -> tuple[CompressorEstimator, ...]:
        """Compressors."""
        return self._of(CompressorEstimator)

    @property
    def streamed(self) -> tuple[StreamEstimator, ...]:
        """Estimators that read the values themselves."""
        return self._of(StreamEstimator)

    def _of(self, family: type[Family]) -> tuple[Family, ...]:
        return tuple(item for item in map(estimator, self.metrics) if isinstance(item, family))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Block shapes that have to be counted."""
        return tuple(shape for shape in (STRING, SQUARE) if any(item.shape == shape for item in self.counted))

    @property
    def nulls(self) -> tuple[NullModel, ...]:
        """Null models: those that come with their metrics, and those that were asked for, if there are draws."""
        return tuple(
            null
            for null in null_models().values()
            if (not null.opt_in or null.name in self.controls) and (self.draws or isinstance(null, CountNull))
        )


def spec_of(
    metrics: str | Iterable[str] | None = None,
    *,
    preset: str | None = None,
    bits: int | None = None,
    controls: str | Iterable[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
    tensor_rows: bool = True,
    tensor_compressors: bool = False,
    default: tuple[str, ...] = DEFAULT,
) -> MeasurementSpec:
    """Return what options ask for.

    Args:
        metrics: names, also one text with commas between them; None for those of the preset, else ``default``.
        preset: see ``MeasurementSpec``, as are the others.
        bits: planes of QuBD.
        controls: names of null models, also one text with commas; ``all`` for all of them.
        draws: of null models.
        seed: of the draws.
        tensor_rows: rows of tensors.
        tensor_compressors: compressors of tensors.
        default: metrics if neither they nor the preset say which.

    Raises:
        InputError, UnknownNameError: as ``MeasurementSpec``.

    >>> spec_of("bdm, gzip").metrics, spec_of(controls="all").controls[0], spec_of(preset="momos-paper").metrics[:1]
    (('bdm', 'gzip'), 'shuffle', ('bdm',))
    """
    chosen = preset_of(preset, bits)
    own = default if chosen is None or chosen.metrics is None else chosen.metrics
    return MeasurementSpec(
        metrics=own if metrics is None else _names(metrics),
        tensor_rows=tensor_rows,
        tensor_compressors=tensor_compressors,
        preset=preset,
        bits=bits,
        controls=checked_controls(_names(controls)),
        draws=draws,
        seed=seed,
    )


def _refuse_text(names: object, what: str) -> None:
    if not isinstance(names, tuple):
        raise InputError(f"{what} {names!r}, wanted a tuple of names; spec_of takes lists and text with commas too")


def _names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names, each once."""
    given = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    return tuple(dict.fromkeys(name for name in given if name))
