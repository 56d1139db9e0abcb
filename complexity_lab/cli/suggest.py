"""``complexity-lab suggest``: bits per layer from the planes of a model, as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.progress import duration
from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from complexity_lab.estimators.qubd import Rules
    from complexity_lab.quantization.references import Reference
    from complexity_lab.quantization.study import StudyResult, Told
    from complexity_lab.quantization.suggestion import LayerSuggestion, Rule
    from complexity_lab.weights.order import OrderRule

FIRST_RANDOM_SEED = 1000  # of random initializations: not those that trained networks of a zoo began with
DRAWS = {"shuffle": 20, "initial": 20, "random": 10}  # shuffles, shuffles for the spread, initializations
OWN_INITIAL = "digits:"  # sources whose own initial weights are known


def suggest_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    bits: Annotated[int, typer.Option(help="Planes of a profile and most bits of a weight, 2 to 8.")] = 8,
    preset: Annotated[str, typer.Option(help="Rules of the planes: fixed or qubd-paper.")] = "fixed",
    reference: Annotated[
        str,
        typer.Option(
            help="What planes are compared with: shuffle (the values in random order; any source), initial (what the "
            "training started from; digits only), random (initializations; models of a zoo)."
        ),
    ] = "shuffle",
    seeds: Annotated[
        int | None, typer.Option(help="Draws of the reference: shuffles (default 20) or initializations (10).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For models of a zoo, of the trained weights.")] = None,
    order: Annotated[
        str,
        typer.Option(help="Of the tensors of files: model (natural where nothing tells it), natural, or file."),
    ] = "model",
    threshold: Annotated[
        float, typer.Option(help="Percent of the reference; a plane below it is structured if chance cannot tell.")
    ] = 99.0,
    margin: Annotated[int, typer.Option(help="Planes kept below the structure; each is 6 decibels less noise.")] = 3,
    out: Annotated[Path | None, typer.Option(help="JSON file for torchao, with the table of layers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print that JSON instead of the table.")] = False,
) -> None:
    """Suggest bits per layer from the bit planes of a model, and write them for torchao.

    Only tensors of two or more axes are listed; biases and norms stay as they are. A suggestion speaks of structure in
    the weights, not of accuracy: check the rounded model.
    """
    from complexity_lab.quantization.export import document
    from complexity_lab.quantization.suggestion import Rule, suggest_bits
    from complexity_lab.weights.order import checked_rule
    from complexity_lab.zoo.sources import resolve

    if out is not None and out.is_dir():
        raise InputError(f"--out {out} is a directory, wanted a file such as bits.json")
    rules, rule = _rules(preset, bits), Rule(threshold, min(Rule().visible, threshold), margin=margin)
    draws = DRAWS.get(reference, 0) if seeds is None else seeds
    with interruptible("complexity-lab: interrupted"):
        compared = _reference(source, reference, draws, seed, rules, checked_rule(order))
        weights = resolve(source, "trained", seed, order=checked_rule(order))
        layers = suggest_bits(weights, compared, rules, rule)
    if not layers:
        raise InputError(f"{source} has no tensor of two or more axes, so there is nothing to round")
    about = f"{reference}, {draws} draws"
    content = document(layers, rule, source=source, preset=preset, bits=bits, reference=about)
    if as_json:
        print(json.dumps(content, indent=1))
    else:
        _print_table(layers, rule, about)
    if out is not None:
        _write(out, content)


def _rules(preset: str, bits: int) -> Rules:
    from dataclasses import replace

    from complexity_lab.estimators.presets import preset as named

    if not 2 <= bits <= 8:
        raise InputError(f"--bits {bits}, wanted 2 to 8")
    rules = named(preset).rules
    if rules is None:
        raise InputError(f"--preset {preset} has no bit planes; wanted fixed or qubd-paper")
    return replace(rules, bits=bits)


def _reference(
    source: str, name: str, draws: int, seed: int | None, rules: Rules, order: OrderRule = "model"
) -> Reference:
    """Return the reference that was asked for.

    Raises:
        InputError: unknown, too few draws, or none for this source.
    """
    from complexity_lab.controls.level_shuffle import shuffled_planes
    from complexity_lab.quantization.references import OwnInitial, RandomWeights, ShuffledSelf, profiles_of
    from complexity_lab.survey.run import default_jobs
    from complexity_lab.zoo.sources import resolve

    if name not in DRAWS:
        raise InputError(f"--reference {name!r}, wanted {', '.join(DRAWS)}")
    if draws < 2:
        raise InputError(f"--seeds {draws}, wanted 2 or more: one draw has no spread")
    own = ShuffledSelf(shuffled_planes, draws=draws, threads=default_jobs())
    if name == "shuffle":
        return own
    if not _in_a_zoo(source):
        raise InputError(f"--reference {name} needs a model of a zoo, and {source} is only its weights; use shuffle")
    if name == "random":
        seeds = range(FIRST_RANDOM_SEED, FIRST_RANDOM_SEED + draws)
        return RandomWeights([profiles_of(resolve(source, "initial", other, order=order), rules) for other in seeds])
    if not source.startswith(OWN_INITIAL):
        raise InputError(f"what the training of {source} started from is not known; use --reference random or shuffle")
    return OwnInitial(profiles_of(resolve(source, "initial", seed, order=order), rules), own)


def _in_a_zoo(source: str) -> bool:
    """Tell whether a source names a model that can be built anew, and not a file or a hub repository."""
    from complexity_lab.weights.from_checkpoint import SUFFIXES

    path = Path(source)
    bare = source.removeprefix("timm/")
    return not (path.exists() or path.suffix in SUFFIXES or ("/" in bare and ":" not in bare))


def _write(out: Path, content: dict[str, Any]) -> None:
    from complexity_lab.files import write_atomically, writing

    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, (json.dumps(content, indent=1) + "\n").encode())
    print(f"written to {out}", file=sys.stderr)


def _print_table(layers: Sequence[LayerSuggestion], rule: Rule, about: str) -> None:
    """Print a line per tensor: its planes in percent of the reference, the most significant at the left, and bits."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from complexity_lab.quantization.suggestion import mean_bits

    planes = max((len(layer.evidence.percent) for layer in layers if layer.evidence), default=0)
    table = Table(box=None, pad_edge=False, title=f"Planes in percent of the reference ({about})", title_justify="left")
    table.add_column("tensor", overflow="fold")
    table.add_column("shape", no_wrap=True)
    for plane in reversed(range(planes)):
        table.add_column(f"{plane}", justify="right", no_wrap=True)
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for layer in layers:
        cells = _cells(layer) or [""] * planes
        shape = "x".join(map(str, layer.shape))
        table.add_row(escape(layer.tensor), shape, *cells, f"[bold]{layer.bits}[/]", escape(_note(layer)))
    Console(highlight=False, width=None if sys.stdout.isatty() else 180).print(table)
    told = sum(layer.weights for layer in layers if layer.suggested)
    weights = sum(layer.weights for layer in layers)
    print(
        f"mean {mean_bits(layers):.2f} bits per weight over {len(layers)} tensors; {100 * told / weights:.1f} % of "
        f"their {weights:,} weights have a suggestion"
    )
    print(
        f"* structured: below {rule.threshold:g} % beyond chance; ? cannot be told from chance. "
        f"Bits keep these planes and {rule.margin} more; they speak of structure, not of accuracy."
    )


def _cells(layer: LayerSuggestion) -> list[str]:
    """Return the planes in percent, the most significant first."""
    seen = layer.evidence
    if seen is None:
        return []
    planes = zip(seen.percent, seen.structured, seen.unresolved, strict=True)
    return [_cell(*plane) for plane in planes][::-1]


def _cell(percent: float, structured: bool, unresolved: bool) -> str:
    if not math.isfinite(percent):
        return "-"
    return f"[bold]{percent:.1f}*[/]" if structured else f"{percent:.1f}{'?' if unresolved else ' '}"


def _note(layer: LayerSuggestion) -> str:
    if layer.reason is not None:
        return f"keeps the highest; {layer.reason}"
    seen = layer.evidence
    return "no plane stands out" if seen is not None and not any(seen.structured) else ""


def run_quantization_study(file: Path, out: Path, jobs: int | None, retry_failed: bool) -> int:
    """Run a study file with a ``[quantization]`` section, draw its figures and write its page; return the exit code.

    Raises:
        InputError: the file is no such study, or ``jobs`` below 1.
        PlanMismatchError: the directory holds another plan.
        OutputError: the directory cannot be written.
    """
    from complexity_lab.controls.level_shuffle import shuffled_planes
    from complexity_lab.quantization.plan import read_quantization_study
    from complexity_lab.quantization.study import run_study

    study = read_quantization_study(file)
    print(f"{study.title}\n{study.question}")
    with interruptible("complexity-lab: interrupted; run the same command again to go on"):
        result = run_study(study, out, shuffled_planes, jobs=jobs, retry_failed=retry_failed, progress=_tell)
        _finish(result, out)
    return result.exit_code


def _tell(told: Told) -> None:
    if told.network is None:
        kept = f"; {told.kept} were finished before and are kept" if told.kept else ""
        print(f"{told.total} networks to round{kept}", file=sys.stderr, flush=True)
        return
    left = "" if told.seconds_left is None else f", {duration(told.seconds_left)} left"
    status = "ok" if told.error is None else f"failed - {told.error}"
    print(f"[{told.finished}/{told.total}] {told.network}: {status}{left}", file=sys.stderr, flush=True)


def _finish(result: StudyResult, out: Path) -> None:
    """Draw the figures and write the page, and say where they are."""
    from complexity_lab.report.quantization_page import write_quantization_page

    print(f"{result.ok} ok, {len(result.failed)} failed ({result.rounded} rounded now, {result.kept} kept).")
    for network, error in result.failed.items():
        print(f"  failed: {network}: {error}")
    if result.ok:
        print(f"tables: {out}\npage:   {write_quantization_page(out)}")
