"""``complexity-lab survey``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.selection import (
    Exclude,
    Family,
    Filter,
    MaxParameters,
    MinParameters,
    Models,
    ModelsFile,
    Sample,
    SampleSeed,
    Tag,
    Weights,
    make_selection,
)

if TYPE_CHECKING:
    from complexity_lab.survey.plan import SurveyPlan
    from complexity_lab.survey.run import SurveyResult

ACCURACY = "accuracy.csv"  # in the directory of a survey
Seeds = Annotated[
    str, typer.Option(help="Seeds of the initial weights: a number of seeds (3 is 0,1,2) or a list (0,7).")
]
States = Annotated[str, typer.Option(help="What to measure: initial, trained, or both with a comma.")]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="Metrics with commas; default bdm,gzip,bz2,lzma. Others: bdm_2d, block_entropy, zstd, gzip:float32, "
        "lz76_density, exponent_entropy, mantissa_entropy, ..."
    ),
]
TensorRows = Annotated[bool, typer.Option("--tensor-rows/--no-tensor-rows", help="Also one row per tensor.")]
Jobs = Annotated[int | None, typer.Option(help="Models at the same time; default: one per core.")]
Backend = Annotated[str, typer.Option(help="loky (processes here) or dask (a cluster, needs complexity-lab\\[dask]).")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler; workers need --out at the same path.")
]
Out = Annotated[Path | None, typer.Option(help="Directory of the tables; default: runs/ZOO-HASH of the plan.")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Measure again what failed before.")]
Report = Annotated[bool, typer.Option("--report/--no-report", help="Draw figures and write the report at the end.")]


def survey_cli(
    zoo: Annotated[str, typer.Option(help="digits (trained here, no network), timm, or checkpoints (your files).")],
    weights: Weights = None,
    models: Models = None,
    list_file: ModelsFile = None,
    filter_: Filter = None,
    exclude: Exclude = None,
    family: Family = None,
    tag: Tag = None,
    min_parameters: MinParameters = None,
    max_parameters: MaxParameters = None,
    sample: Sample = None,
    seed: SampleSeed = 0,
    seeds: Seeds = "3",
    states: States = "initial,trained",
    metrics: Metrics = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="QuBD too, by these rules: qubd-paper (the published ones) or fixed (ours). Or momos-paper: BDM and "
            "compressors as that paper has them, and nothing else."
        ),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Bit planes of QuBD, 1 to 16; default 8.")] = None,
    controls: Annotated[
        str | None,
        typer.Option(
            help="Null models with commas, or all: shuffle, shuffle_channel, shuffle_row (values within tensor, "
            "channel or row), gaussian, permutation (of neurons, the function kept)."
        ),
    ] = None,
    accuracy: Annotated[
        Path | None,
        typer.Option(help="CSV in the format of timm's result files (model, top1): is accuracy tied to complexity?"),
    ] = None,
    tensor_rows: TensorRows = True,
    jobs: Jobs = None,
    backend: Backend = "loky",
    scheduler: Scheduler = None,
    out: Out = None,
    retry_failed: Retry = False,
    report: Report = True,
) -> None:
    """Measure the models of a zoo before and after training: tables, figures and a report.

    Run the same command again to continue after an interruption: finished models are kept.
    Exit code 0 if every model is ok, 3 if some failed (they are listed), 1 if none could be measured.
    """
    from complexity_lab.survey.plan import make_plan

    plan = make_plan(
        zoo,
        path=weights,
        selection=make_selection(
            models, list_file, filter_, exclude, family, tag, min_parameters, max_parameters, sample, seed
        ),
        states=tuple(_split(states)),
        seeds=parse_seeds(seeds),
        metrics=None if metrics is None else tuple(_split(metrics)),
        tensor_rows=tensor_rows,
        preset=preset,
        bits=bits,
        controls=tuple(_split(controls or "")),
    )
    raise typer.Exit(
        run_and_report(
            plan,
            out,
            jobs=jobs,
            backend=backend,
            scheduler=scheduler,
            retry_failed=retry_failed,
            report=report,
            accuracy=accuracy,
        )
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return ``(0, 1, 2)`` for ``3`` and ``(0, 7)`` for ``0,7``.

    Raises:
        InputError: not a positive number nor a list of numbers.
    """
    from complexity_lab.errors import InputError

    try:
        numbers = [int(part) for part in _split(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (len(numbers) == 1 and "," not in text and numbers[0] == 0):
        raise InputError(f"--seeds {text!r}, wanted how many (3) or which (0,1,7)")
    return tuple(numbers) if "," in text else tuple(range(numbers[0]))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def run_and_report(
    plan: SurveyPlan,
    out: Path | None,
    *,
    jobs: int | None = None,
    backend: str = "loky",
    scheduler: str | None = None,
    retry_failed: bool = False,
    report: bool = True,
    figures: tuple[str, ...] | None = None,
    accuracy: Path | None = None,
) -> int:
    """Run a plan with progress on the terminal, then figures and report; return the exit code."""
    from complexity_lab.cli.progress import SurveyProgress, print_result
    from complexity_lab.errors import InputError
    from complexity_lab.survey.run import executor_for, run_survey

    if backend not in ("loky", "dask"):
        raise InputError(f"--backend {backend!r}, wanted loky or dask")
    directory = out or Path("runs") / f"{plan.zoo}-{plan.hash()[:8]}"
    executor = executor_for(jobs, len(plan.models), backend=backend, scheduler=scheduler)
    if accuracy is not None:
        check_accuracy(accuracy)  # before hours are spent
    kept = f"Interrupted. What is finished is kept in {directory}; run the same command to go on."
    with interruptible(kept), SurveyProgress(plan, directory, executor) as progress:
        result = run_survey(plan, directory, executor=executor, retry_failed=retry_failed, progress=progress.update)
    if accuracy is not None:
        keep_accuracy(accuracy, directory)
    written = _write_report(result, figures) if report and result.ok else {}
    print_result(result, written)
    return result.exit_code


def check_accuracy(csv: Path) -> None:
    """Refuse a file of accuracies that cannot be read.

    Raises:
        InputError: no such file, or columns or values that make no sense.
    """
    from complexity_lab.statistics.accuracy import read_accuracy

    read_accuracy(csv)


def keep_accuracy(csv: Path, directory: Path) -> None:
    """Copy a file of accuracies into a survey, where figures and report find it; the same content changes nothing.

    Raises:
        InputError: as ``check_accuracy``.
        OutputError: the survey cannot be written.
    """
    from complexity_lab.files import write_atomically, writing

    check_accuracy(csv)
    content, place = csv.read_bytes(), directory / ACCURACY
    with writing(directory):
        if not place.exists() or place.read_bytes() != content:
            write_atomically(place, content)


def _write_report(result: SurveyResult, figures: tuple[str, ...] | None) -> dict[str, Any]:
    """Draw figures and report unless they are newer than the tables."""
    from complexity_lab.figures import FIGURES, render
    from complexity_lab.report import write_report
    from complexity_lab.statistics import SurveyTables

    page = result.directory / "report.html"
    inputs = [*(result.directory / "models").glob("*.parquet"), *result.directory.glob(ACCURACY)]
    newest = max((path.stat().st_mtime for path in inputs), default=0.0)
    folder = result.directory / "figures"
    if not (page.exists() and page.stat().st_mtime > newest and folder.exists()):
        tables = SurveyTables.read(result.directory)
        fitting = [name for name in figures or FIGURES if FIGURES[name].applies(tables) is None]
        if fitting:
            render(result.directory, names=fitting)
        write_report(result.directory)
    return {"figures": folder, "report": page}
