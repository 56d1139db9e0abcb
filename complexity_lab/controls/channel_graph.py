"""Which axes of a network's weights carry the same units: guesses from one run, to be verified in ``couplings``.

A run in float64 records what every layer read and made; autograd's graph then tells which layers fed which, through
whatever lies between (activations, pooling, flattening, sums of residual streams, products of gates, attention).
Outputs of layers that feed one layer, and that layer's inputs, hold the same units; so do inputs and outputs of norms
and depthwise convolutions. Joining all that (union-find) leaves sets of axes that must be permuted alike: hidden units
of two layers, all channels of a residual stream, the channels of a squeeze-and-excite block. Units that the network's
input or output hold have a fixed order and are left out.

How units lie on a longer axis is guessed too (runs or parts, see ``permutation``), and so are units that can only move
in groups: attention heads, groups of a convolution or a norm. Each guess is an option; whoever verifies takes the first
that holds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from complexity_lab.controls.permutation import Axis, Coupling

if TYPE_CHECKING:
    import torch
    from torch import nn

HEADS = ("num_heads", "n_heads", "nhead", "num_attention_heads", "num_key_value_heads")
Place = Hashable  # a set of units: ("in", step), ("out", step), "input" or "output"


@dataclass(frozen=True, eq=False)
class Step:
    """A layer with weights, and how its tensors hold units.

    Attributes:
        name: dotted name of the module.
        made: axes of its outputs, with their lengths.
        read: axes of its inputs; none if outputs are inputs, unit by unit (norms, depthwise convolutions).
        through: whether outputs are inputs, unit by unit or group by group.
        together: units move only in so many groups; None if each by itself.
    """

    name: str
    made: tuple[tuple[Axis, int], ...]
    read: tuple[tuple[Axis, int], ...]
    through: bool = False
    together: int | None = None


@dataclass
class Run:
    """What one run of a network showed."""

    steps: list[Step] = field(default_factory=list)
    inputs: dict[int, list[Any]] = field(default_factory=dict)  # by step: nodes of autograd's graph that it read
    outputs: dict[Any, int] = field(default_factory=dict)  # nodes of the graph to the step that made them
    ends: list[Any] = field(default_factory=list)  # nodes of the network's outputs


@dataclass(frozen=True)
class Candidate:
    """A set of axes that hold the same units, and the couplings that it may be, most likely first."""

    options: tuple[Coupling, ...]


def candidates_of(module: nn.Module, example: Any) -> tuple[Candidate, ...]:
    """Return what a run of a module on an example suggests; parameters have to require gradients."""
    names = tensor_names(module)
    run = run_of(module, example, names)
    parents = dict(module.named_modules())
    joined, extra = _joined(run, names)
    found = []
    for places in _sets(joined):
        if "input" not in places and "output" not in places:
            options = _options(run, places, [name for place in places for name in extra.get(place, ())], names, parents)
            if options:
                found.append(Candidate(options))
    return tuple(_without_conflicts(found))


def tensor_names(module: nn.Module) -> dict[int, tuple[str, torch.Tensor]]:
    """Return parameters and buffers by identity, each under its first name: shared ones are one tensor."""
    found: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        found.setdefault(id(tensor), (name, tensor))
    return found


def called(module: nn.Module, example: Any) -> list[torch.Tensor]:
    """Return the floating-point tensors that a module gives for an example, a tensor or keyword arguments."""
    import torch

    result = module(**example) if isinstance(example, dict) else module(example)
    found: list[torch.Tensor] = []
    waiting = [result]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, torch.Tensor):
            found += [item] if item.is_floating_point() else []
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
    return found


def run_of(module: nn.Module, example: Any, names: dict[int, tuple[str, torch.Tensor]]) -> Run:
    """Run a module and record what its layers read and made, as nodes of autograd's graph."""
    run = Run()
    handles = []
    for name, layer in module.named_modules():
        step = step_of(name, layer, names)
        if step is not None:
            number = len(run.steps)
            run.steps.append(step)
            handles.append(layer.register_forward_pre_hook(_reads(run, number), with_kwargs=True))
            handles.append(layer.register_forward_hook(_makes(run, number)))
    try:
        run.ends = [tensor.grad_fn for tensor in called(module, example)]
    finally:
        for handle in handles:
            handle.remove()
    return run


def step_of(name: str, layer: nn.Module, names: dict[int, tuple[str, torch.Tensor]]) -> Step | None:
    """Return how a layer holds units, or None if it has no tensors of its own, holds layers, or is of no known kind."""
    from torch import nn

    if any(True for child in layer.children() for _ in (*child.parameters(), *child.buffers())):
        return None  # what it adds to its layers, a scale for instance, is met as a parameter outside of any
    own = [names[id(tensor)] for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False))]
    own = [(each, tensor) for each, tensor in own if tensor.numel() > 1]
    weight = getattr(layer, "weight", None)
    if weight is None or not own or not any(tensor is weight for _, tensor in own):
        return _elementwise(name, own)
    at = names[id(weight)][0]
    convolution = isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    transposed = isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    if convolution and layer.groups > 1:  # type: ignore[operator]
        groups = int(layer.groups)  # type: ignore[arg-type]
        together = None if groups == layer.in_channels else groups
        return Step(name, _first_axes(own, weight.shape[0]), (), True, together)
    if isinstance(layer, nn.Linear) or convolution:
        return Step(name, _first_axes(own, weight.shape[0]), (((at, 1), weight.shape[1]),))
    if type(layer).__name__ == "Conv1D" or (transposed and layer.groups == 1):
        others = [(each, tensor) for each, tensor in own if tensor is not weight]
        made = (((at, 1), weight.shape[1]), *_first_axes(others, weight.shape[1]))
        return Step(name, made, (((at, 0), weight.shape[0]),))
    if isinstance(layer, nn.Embedding):
        return Step(name, (((at, 1), weight.shape[1]),), ())
    step = _elementwise(name, own)
    groups = getattr(layer, "num_groups", 1)
    return step if step is None or groups == 1 else Step(step.name, step.made, (), True, int(groups))


def _elementwise(name: str, own: Sequence[tuple[str, torch.Tensor]]) -> Step | None:
    """Return the step of a layer whose tensors hold one number per unit, such as a norm; None for any other."""
    lengths = {tensor.shape[0] for _, tensor in own if tensor.ndim == 1}
    if len(lengths) != 1 or any(tensor.ndim != 1 for _, tensor in own):
        return None
    return Step(name, _first_axes(own, lengths.pop()), (), True)


def _first_axes(own: Sequence[tuple[str, torch.Tensor]], length: int) -> tuple[tuple[Axis, int], ...]:
    return tuple(((name, 0), length) for name, tensor in own if tensor.ndim and tensor.shape[0] == length)


def _reads(run: Run, number: int) -> Any:
    import torch

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        run.inputs.setdefault(number, []).extend(_node(tensor) for tensor in tensors if tensor.requires_grad)

    return hook


def _makes(run: Run, number: int) -> Any:
    import torch

    def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        for tensor in output if isinstance(output, (tuple, list)) else (output,):
            if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
                run.outputs[_node(tensor)] = number

    return hook


def _node(tensor: torch.Tensor) -> Any:
    """Return the node that made a tensor, or the tensor itself if it was given."""
    return tensor if tensor.grad_fn is None else tensor.grad_fn


class _Sets:
    """Union-find."""

    def __init__(self) -> None:
        self.parent: dict[Place, Place] = {}

    def find(self, place: Place) -> Place:
        self.parent.setdefault(place, place)
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = self.parent[place]
        return place

    def join(self, one: Place, other: Place) -> None:
        self.parent[self.find(one)] = self.find(other)


def _joined(run: Run, names: dict[int, tuple[str, torch.Tensor]]) -> tuple[_Sets, dict[Place, list[str]]]:
    """Join the units of layers that feed one another; list parameters that were read outside of any known layer."""
    sets = _Sets()
    extra: dict[Place, list[str]] = {}
    for number, step in enumerate(run.steps):
        if number not in run.inputs and number not in run.outputs.values():
            continue  # never called
        sets.find(("out", number))
        if step.through:
            sets.join(("in", number), ("out", number))
        if step.read or step.through:
            for source in _sources(run, run.inputs.get(number, ()), names):
                if isinstance(source, str) and source != "input":
                    extra.setdefault(("in", number), []).append(source)
                else:
                    sets.join(("in", number), source)
    for source in _sources(run, run.ends, names):
        if not isinstance(source, str):
            sets.join("output", source)
    return sets, extra


def _sources(run: Run, nodes: Sequence[Any], names: dict[int, tuple[str, torch.Tensor]]) -> Iterator[Place]:
    """Yield what the nearest ends of the graph behind some nodes are: layers, the input, or names of parameters."""
    waiting, seen = [node for node in nodes if node is not None], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node in run.outputs:
            yield ("out", run.outputs[node])
            continue
        given = getattr(node, "variable", None) if hasattr(node, "next_functions") else node
        if given is not None:
            yield names[id(given)][0] if id(given) in names else "input"
            continue
        waiting.extend(following for following, _ in node.next_functions if following is not None)


def _sets(joined: _Sets) -> list[set[Place]]:
    groups: dict[Place, set[Place]] = {}
    for place in list(joined.parent):
        groups.setdefault(joined.find(place), set()).add(place)
    return list(groups.values())


def _options(
    run: Run,
    places: set[Place],
    extra: Sequence[str],
    names: dict[int, tuple[str, torch.Tensor]],
    parents: dict[str, nn.Module],
) -> tuple[Coupling, ...]:
    """Return the couplings that a set of units may be, most likely first; none if it is only made or only read."""
    steps = sorted({(run.steps[place[1]], place[0]) for place in places if isinstance(place, tuple)}, key=_order)
    made = dict(axis for step, side in steps if side == "out" for axis in step.made)
    read = dict(axis for step, side in steps if side == "in" for axis in step.read)
    if not made or not read:
        return ()
    base = min((*made.values(), *read.values()))
    shapes = {name: tuple(tensor.shape) for name, tensor in names.values()}
    for name in dict.fromkeys(extra):
        fitting = [axis for axis, length in enumerate(shapes[name]) if length == base]
        if len(fitting) > 1:
            return ()  # no telling which
        made |= {(name, axis): base for axis in fitting}
    read = {axis: length for axis, length in read.items() if axis not in made}
    if not read:
        return ()
    limits = {step.together for step, _ in steps if step.together is not None}
    owners = {step.name.rpartition(".")[0] for step, _ in steps}
    heads = sorted(_heads(owners, parents), reverse=True)
    first = (*heads, base) if len(owners) == 1 else (base, *heads)  # layers of one attention have heads
    sizes = dict.fromkeys((*first, *sorted(limits)))
    wanted = [size for size in sizes if size > 1 and base % size == 0 and all(limit % size == 0 for limit in limits)]
    lengths = (*made.values(), *read.values())
    layouts = (False, True) if any(length > base for length in lengths) else (False,)
    return tuple(
        Coupling(_laid(made, base, parts), _laid(read, base, parts), size)
        for size in wanted
        for parts in (layouts[::-1] if size in heads else layouts)
        if all(length % base == 0 if parts else length % size == 0 for length in lengths)
    )


def _order(item: tuple[Step, str]) -> tuple[str, str]:
    return item[0].name, item[1]


def _laid(axes: dict[Axis, int], base: int, parts: bool) -> tuple[Axis, ...]:
    """Return axes whose units lie in runs, or once in every part of the shortest axis' length."""
    return tuple((*axis[:2], length // base) if parts and length > base else axis for axis, length in axes.items())


def _heads(owners: set[str], parents: dict[str, nn.Module]) -> set[int]:
    """Return numbers of attention heads that the modules around some layers name."""
    modules = [parents[owner] for owner in owners]
    modules += [config for module in modules if (config := getattr(module, "config", None)) is not None]
    found = (getattr(module, name, None) for module in modules for name in HEADS)
    return {number for number in found if isinstance(number, int)}


def _without_conflicts(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """Leave out sets that name an axis of a shared tensor that another set names too."""
    axes = [{axis[:2] for axis in (*each.options[0].outputs, *each.options[0].inputs)} for each in candidates]
    for number, candidate in enumerate(candidates):
        if not any(axes[number] & other for place, other in enumerate(axes) if place != number):
            yield candidate
