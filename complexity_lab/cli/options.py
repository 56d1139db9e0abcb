"""Options that several commands share, as groups: a dataclass among the parameters of a command is a group of flags."""

from __future__ import annotations

import csv
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_type_hints

import typer

if TYPE_CHECKING:
    from complexity_lab.study.executors import Executor
    from complexity_lab.study.plan import Plan
    from complexity_lab.zoo.selection import Selection

State = Literal["initial", "trained"]


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose parameters that are dataclasses come from flags of their own, one per field.

    A field is declared as typer wants a parameter; ``PANEL`` of the dataclass is the heading of its flags in the help.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += _flags(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**given: Any) -> None:
        built = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **built)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _flags(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    found = []
    for field in fields(group):
        for option in get_args(hints[field.name])[1:]:
            option.rich_help_panel = group.PANEL
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        found.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])
        )
    return found


def split(text: str | None) -> tuple[str, ...]:
    """Return the parts between commas, without those that are empty.

    >>> split("bdm, gzip,"), split(None)
    (('bdm', 'gzip'), ())
    """
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return ``(0, 1, 2)`` for ``3`` and ``(0, 7)`` for ``0,7``.

    Raises:
        InputError: not a positive number nor a list of numbers, or more than a thousand.
    """
    from complexity_lab.errors import InputError

    try:
        numbers = [int(part) for part in split(text)]
    except ValueError:
        numbers = []
    listed = "," in text
    if not numbers or min(numbers) < 0 or (not listed and not 1 <= numbers[0] <= 1000):
        raise InputError(f"--seeds {text!r}, wanted how many (3, at most 1000) or which (0,1,7)")
    return tuple(numbers) if listed else tuple(range(numbers[0]))


@dataclass(frozen=True)
class SelectionOptions:
    """Which models of a zoo."""

    PANEL: ClassVar[str] = "Which models"

    weights: Annotated[
        Path | None,
        typer.Option(help="timm: directory of NAME.safetensors. checkpoints: directory, TOML or CSV of pairs."),
    ] = None
    models: Annotated[list[str] | None, typer.Option("--model", help="A model by name; repeat for several.")] = None
    list_file: Annotated[Path | None, typer.Option("--list", help="File with one model name per line.")] = None
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="Glob on name or architecture; repeatable.")] = (
        None
    )
    exclude: Annotated[list[str] | None, typer.Option(help="Glob to leave out; repeatable.")] = None
    family: Annotated[list[str] | None, typer.Option(help="Family such as resnet; glob, repeatable.")] = None
    tag: Annotated[list[str] | None, typer.Option(help="Glob on the pretraining tag; repeatable.")] = None
    min_parameters: Annotated[str | None, typer.Option(help="Smallest number of parameters: 500k, 5M, 1.5B.")] = None
    max_parameters: Annotated[str | None, typer.Option(help="Largest number of parameters: 500k, 5M, 1.5B.")] = None
    sample: Annotated[int | None, typer.Option(help="Draw this many of the models that match, at random.")] = None
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw of --sample.")] = 0

    def selection(self) -> Selection:
        """Return the selection.

        Raises:
            InputError: a number that is none, or a list that cannot be read.
        """
        from complexity_lab.zoo.selection import Selection, parse_count, read_list

        named = [*(self.models or []), *(read_list(self.list_file) if self.list_file else [])]
        return Selection(
            filter=tuple(self.filter_ or ()),
            exclude=tuple(self.exclude or ()),
            families=tuple(self.family or ()),
            tags=tuple(self.tag or ()),
            min_parameters=parse_count(self.min_parameters) if self.min_parameters else None,
            max_parameters=parse_count(self.max_parameters) if self.max_parameters else None,
            sample=self.sample,
            seed=self.seed,
            models=tuple(dict.fromkeys(named)),
        )


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured of a set of weights."""

    PANEL: ClassVar[str] = "What is measured"

    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics with commas; default bdm (survey: bdm,gzip,bz2,lzma). Others: bdm_2d, block_entropy, zstd, "
            "gzip:float32, lz76_density, exponent_entropy, mantissa_entropy, ..."
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            help="Rules: fixed (ours; default of --bits) or qubd-paper (the published ones) for QuBD, 8 bits unless "
            "--bits says; or momos-paper, BDM and compressors as that paper has them, and nothing else."
        ),
    ] = None
    bits: Annotated[
        int | None, typer.Option(help="QuBD too: BDM of each of so many bit planes of the quantized weights, 1 to 16.")
    ] = None
    order: Annotated[
        str,
        typer.Option(
            help="Order of the tensors in files: model (as the architecture has them where that is known, else "
            "natural), natural (by names and numbers) or file."
        ),
    ] = "model"

    @property
    def names(self) -> tuple[str, ...] | None:
        """The metrics; None if none were named."""
        return None if self.metrics is None else split(self.metrics)


@dataclass(frozen=True)
class FormatOptions:
    """How rows are printed."""

    PANEL: ClassVar[str] = "Output"

    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object per row.")] = False
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV.")] = False

    def check(self) -> None:
        """Refuse two formats at once.

        Raises:
            InputError: both are asked for.
        """
        from complexity_lab.errors import InputError

        if self.as_json and self.as_csv:
            raise InputError("--json and --csv together, wanted one of them")

    @property
    def machine_readable(self) -> bool:
        """Whether rows are printed for programs."""
        return self.as_json or self.as_csv

    def print_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Print rows as JSON or CSV."""
        if self.as_json:
            print(json.dumps(records, indent=1))
            return
        writer = csv.DictWriter(sys.stdout, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def checked_state(option: str, state: str) -> State:
    """Return a state of a model.

    Raises:
        InputError: neither initial nor trained.
    """
    from complexity_lab.errors import InputError

    if state not in ("initial", "trained"):
        raise InputError(f"--{option} {state!r}, wanted initial or trained")
    return state  # type: ignore[return-value]  # checked above


def sides_of(tile: str) -> tuple[int, int]:
    """Return rows and columns of a tile such as 2x2.

    Raises:
        InputError: it is none.
    """
    from complexity_lab.errors import InputError

    parts = tile.split("x")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise InputError(f"--tile {tile!r}, wanted rows x columns such as 2x2")
    return int(parts[0]), int(parts[1])


Controls = Annotated[
    str | None,
    typer.Option(
        help="Null models with commas, or all: shuffle, shuffle_channel, shuffle_row (values within tensor, channel or "
        "row), gaussian, permutation (of neurons, the function kept).",
        rich_help_panel=MeasureOptions.PANEL,
    ),
]


@dataclass(frozen=True)
class RunningOptions:
    """How a study is run."""

    PANEL: ClassVar[str] = "How it runs"

    jobs: Annotated[
        int | None, typer.Option(help="Tasks at the same time; default: one per core (trainings on a GPU: one).")
    ] = None
    backend: Annotated[
        str, typer.Option(help="loky (processes here) or dask (a cluster, needs complexity-lab\\[dask]).")
    ] = "loky"
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; workers need --out at the same path.")
    ] = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do again what failed before.")] = False
    limit: Annotated[
        int | None, typer.Option(help="Do only the first so many tasks; a later run without it does the rest.")
    ] = None
    out: Annotated[Path | None, typer.Option(help="Directory of the tables; default: below runs/.")] = None
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Draw figures and write the page at the end.")
    ] = True

    def executor(self, plan: Plan, options: Any, tasks: int) -> Executor:
        """Return where so many tasks run."""
        from complexity_lab.study.engine import executor_for

        return executor_for(plan, self.jobs, options, tasks=tasks, backend=self.backend, scheduler=self.scheduler)


@dataclass(frozen=True)
class TrainingOptions:
    """Where trainings run."""

    PANEL: ClassVar[str] = "Trainings"

    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto"
    data_dir: Annotated[
        Path | None, typer.Option(help="Where data sets lie, or are downloaded to; digits need none.")
    ] = None
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the weights of every run in the directory.")
    ] = False
