"""``complexity-lab suggest``: bits per layer from the planes of a model, as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.options import takes_groups
from complexity_lab.cli.terminal import Column, console, print_notes, print_table, say
from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from complexity_lab.estimators.qubd import Rules
    from complexity_lab.quantization.references import Reference
    from complexity_lab.quantization.suggestion import LayerSuggestion, Rule
    from complexity_lab.weights.order import OrderRule

DRAWS = {"shuffle": 20, "initial": 20, "random": 10}  # shuffles, shuffles for the spread, initializations
OWN_INITIAL = "digits:"  # sources whose own initial weights are known


@dataclass(frozen=True)
class ReferenceOptions:
    """What planes are compared with."""

    PANEL: ClassVar[str] = "Reference"

    reference: Annotated[
        str,
        typer.Option(
            help="What planes are compared with: shuffle (the values in random order; any source), initial (what the "
            "training started from; digits only), random (initializations; models of a zoo)."
        ),
    ] = "shuffle"
    seeds: Annotated[
        int | None, typer.Option(help="Draws of the reference: shuffles (default 20) or initializations (10).")
    ] = None
    threshold: Annotated[
        float, typer.Option(help="Percent of the reference; a plane below it is structured if chance cannot tell.")
    ] = 99.0
    margin: Annotated[int, typer.Option(help="Planes kept below the structure; each is 6 decibels less noise.")] = 3

    @property
    def draws(self) -> int:
        """Draws of the reference."""
        return DRAWS.get(self.reference, 0) if self.seeds is None else self.seeds

    def build(self, source: str, seed: int | None, rules: Rules, order: OrderRule) -> Reference:
        """Return the reference that was asked for.

        Raises:
            InputError: unknown, too few draws, or none for this source.
        """
        from complexity_lab.quantization.references import (
            FIRST_RANDOM_SEED,
            OwnInitial,
            RandomWeights,
            ShuffledSelf,
            profiles_of,
        )
        from complexity_lab.study.executors import available_cores
        from complexity_lab.zoo.sources import resolve

        name, draws = self.reference, self.draws
        if name not in DRAWS:
            raise InputError(f"--reference {name!r}, wanted {', '.join(DRAWS)}")
        if draws < 2:
            raise InputError(f"--seeds {draws}, wanted 2 or more: one draw has no spread")
        own = ShuffledSelf(draws=draws, threads=available_cores())
        if name == "shuffle":
            return own
        if not _in_a_zoo(source):
            raise InputError(
                f"--reference {name} needs a model of a zoo, and {source} is only its weights; use shuffle"
            )
        if name == "random":
            initial = (resolve(source, "initial", FIRST_RANDOM_SEED + draw, order=order) for draw in range(draws))
            return RandomWeights([profiles_of(weights, rules) for weights in initial])
        if not source.startswith(OWN_INITIAL):
            raise InputError(
                f"what the training of {source} started from is not known; use --reference random or shuffle"
            )
        return OwnInitial(profiles_of(resolve(source, "initial", seed, order=order), rules), own)


@takes_groups
def suggest_cli(
    source: Annotated[
        str, typer.Argument(help="Weights file or directory, timm name, ZOO:NAME, or hub repository owner/name.")
    ],
    reference: ReferenceOptions,
    bits: Annotated[int, typer.Option(help="Planes of a profile and most bits of a weight, 2 to 8.")] = 8,
    preset: Annotated[str, typer.Option(help="Rules of the planes: fixed or qubd-paper.")] = "fixed",
    seed: Annotated[int | None, typer.Option(help="For models of a zoo, of the trained weights.")] = None,
    order: Annotated[
        str, typer.Option(help="Of the tensors of files: model (natural where nothing tells it), natural, or file.")
    ] = "model",
    out: Annotated[Path | None, typer.Option(help="JSON file for torchao, with the table of layers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print that JSON instead of the table.")] = False,
) -> None:
    """Suggest bits per layer from the bit planes of a model, and write them for torchao.

    Only tensors of two or more axes are listed; biases and norms stay as they are. A suggestion speaks of structure in
    the weights, not of accuracy: check the rounded model.
    """
    from complexity_lab.quantization.export import document, left_to_convolutions
    from complexity_lab.quantization.references import plane_rules
    from complexity_lab.quantization.suggestion import Rule, suggest_bits
    from complexity_lab.weights.order import checked_rule
    from complexity_lab.zoo.sources import resolve

    if out is not None and out.is_dir():
        raise InputError(f"--out {out} is a directory, wanted a file such as bits.json")
    rules = plane_rules(preset, bits)
    rule = Rule(reference.threshold, min(Rule().visible, reference.threshold), margin=reference.margin)
    with interruptible("complexity-lab: interrupted"):
        compared = reference.build(source, seed, rules, checked_rule(order))
        layers = suggest_bits(resolve(source, "trained", seed, order=checked_rule(order)), compared, rules, rule)
    if not layers:
        raise InputError(f"{source} has no tensor of two or more axes, so there is nothing to round")
    about = f"{reference.reference}, {reference.draws} draws"
    content = document(layers, rule, source=source, preset=preset, bits=bits, reference=about)
    if as_json:
        print(json.dumps(content, indent=1))
    else:
        _print_table(layers, rule, about)
    if out is not None:
        _write(out, content)
    if (out is not None or as_json) and (warning := left_to_convolutions(layers)):
        print(f"complexity-lab: warning: {warning}", file=sys.stderr)


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
    from complexity_lab.counted import counted
    from complexity_lab.quantization.suggestion import mean_bits

    planes = max((len(layer.evidence.percent) for layer in layers if layer.evidence), default=0)
    columns = [
        Column("tensor", folds=True),
        *(Column(f"{plane} ", right=True) for plane in reversed(range(planes))),
        Column("bits", right=True),
    ]
    rows = [(layer.tensor, *(_cells(layer) or [""] * planes), str(layer.bits)) for layer in layers]
    print_table(columns, rows, title=f"Planes in percent of the reference ({about})")
    notes: dict[tuple[str, ...], list[str]] = {}
    for layer in layers:
        if note := _note(layer):
            notes.setdefault((note,), []).append(layer.tensor)
    print_notes(notes, ("note",))
    say("")
    told = sum(layer.weights for layer in layers if layer.suggested)
    weights = sum(layer.weights for layer in layers)
    say(
        f"mean {mean_bits(layers):.2f} bits per weight over {counted(len(layers), 'tensor')}; "
        f"{100 * told / weights:.1f} % of their {counted(weights, 'weight')} have a suggestion"
    )
    console().print(
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
        return "- "
    return f"{percent:.1f}*" if structured else f"{percent:.1f}{'?' if unresolved else ' '}"


def _note(layer: LayerSuggestion) -> str:
    if layer.reason is not None:
        return f"keeps the highest; {layer.reason}"
    seen = layer.evidence
    return "no plane stands out" if seen is not None and not any(seen.structured) else ""
