"""When a model is projected: after optimizer steps, without a change to the training loop."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal, TypedDict

from torch import Tensor, nn
from torch.optim import Optimizer

from complexity_lab.errors import InputError
from complexity_lab.momos.projection import MoMos, Projection, trainable

OnProjection = Callable[[Projection], None]


class ProjectorState(TypedDict):
    """What a resumed run needs: counts, seconds, and the state of the generator if there is one."""

    steps: int
    projections: int
    seconds: float
    generator: Tensor | None


class Projector:
    """A projection, how often it runs, and the account of its runs.

    Args:
        momos: the projection.
        every: steps from one projection to the next.
        on_projection: called with the result of each.

    Attributes:
        steps: optimizer steps seen.
        projections: projections made.
        seconds: wall-clock time they took together.
        last: result of the latest, or None.

    Raises:
        InputError: ``every`` is below 1.
    """

    def __init__(self, momos: MoMos, every: int = 1, on_projection: OnProjection | None = None) -> None:
        if every < 1:
            raise InputError(f"a projection every {every} steps, wanted at least 1")
        self.momos = momos
        self.every = every
        self.on_projection = on_projection
        self.steps = 0
        self.projections = 0
        self.seconds = 0.0
        self.last: Projection | None = None

    def advance(self, model: nn.Module, steps: int) -> None:
        """Note that ``steps`` optimizer steps were made by now, and project if one is due."""
        due = steps // self.every > self.steps // self.every
        self.steps = steps
        if due:
            self.project(model)

    def project(self, model: nn.Module) -> Projection:
        """Project now.

        Raises:
            WeightsError: weights are NaN or infinite; the parameter is named.
        """
        begin = perf_counter()
        self.last = self.momos(underlying(model))  # its statistics are read on the host, so a GPU has finished
        self.seconds += perf_counter() - begin
        self.projections += 1
        if self.on_projection is not None:
            self.on_projection(self.last)
        return self.last

    def state_dict(self) -> ProjectorState:
        """Return what ``load_state_dict`` needs to project at the same steps with the same random draws."""
        generator = self.momos.generator
        return {
            "steps": self.steps,
            "projections": self.projections,
            "seconds": self.seconds,
            "generator": None if generator is None else generator.get_state(),
        }

    def load_state_dict(self, state: ProjectorState) -> None:
        """Continue where ``state_dict`` was taken.

        Raises:
            InputError: the state has a generator and the projection has none, or the other way round.
        """
        generator, drawn = self.momos.generator, state["generator"]
        if (generator is None) != (drawn is None):
            has, lacks = ("projection", "saved state") if drawn is None else ("saved state", "projection")
            raise InputError(f"the {has} has a generator, the {lacks} has none; give MoMos the generator it had before")
        if generator is not None and drawn is not None:
            generator.set_state(drawn.cpu())
        self.steps = state["steps"]
        self.projections = state["projections"]
        self.seconds = state["seconds"]


class Attached(Projector):
    """A projection that follows an optimizer until ``remove`` is called; made by ``attach``."""

    def __init__(self, momos: MoMos, model: nn.Module, every: int, on_projection: OnProjection | None) -> None:
        super().__init__(momos, every, on_projection)
        self.model = model
        self._remove: Callable[[], None] | None = None

    def follow(self, optimizer: Optimizer) -> None:
        """Count the steps of this optimizer from now on."""
        self._remove = optimizer.register_step_post_hook(self._after_step).remove

    def remove(self) -> None:
        """Project no more. The counts stay; a second call does nothing."""
        if self._remove is not None:
            self._remove()
            self._remove = None

    def _after_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if not _was_skipped(optimizer):
            self.advance(self.model, self.steps + 1)


def attach(
    momos: MoMos,
    model: nn.Module,
    optimizer: Optimizer,
    every: Literal["step"] | int = "step",
    on_projection: OnProjection | None = None,
) -> Attached:
    """Project a model after every optimizer step (paper, Algorithm 1), or after every so many.

    Only real steps count: not the backward passes of gradient accumulation, not a step that a ``GradScaler`` skips, and
    a step with a closure once. Of several optimizers give the one that steps last. Processes that train copies of one
    model must give ``momos`` generators of equal seed, or their copies drift apart.

    Args:
        momos: the projection.
        model: what it projects; of a compiled module the one underneath.
        optimizer: whose steps count.
        every: ``step``, or a number of steps. For once an epoch, call ``momos(model)`` at its end.
        on_projection: called with the result of each projection.

    Raises:
        InputError: ``every`` is neither, or the model cannot be projected; found now, not after hours of training.
            From then on, ``optimizer.step()`` raises ``WeightsError`` where weights have become NaN or infinite.

    Example:
        >>> import torch
        >>> model = nn.Linear(8, 8)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> attached = attach(MoMos(s=2, k=4), model, optimizer, every=2)
        >>> for _ in range(5):
        ...     model(torch.ones(1, 8)).sum().backward()
        ...     optimizer.step()
        >>> attached.steps, attached.projections
        (5, 2)
    """
    if isinstance(every, str) and every != "step":
        raise InputError(
            f"every {every!r}, wanted step or a number of steps; once an epoch, call momos(model) at its end"
        )
    attached = Attached(momos, model, 1 if isinstance(every, str) else every, on_projection)
    refuse_impossible(momos, model)
    attached.follow(optimizer)
    return attached


def refuse_impossible(momos: MoMos, model: nn.Module) -> None:
    """Raise the ``InputError`` that projecting this model would raise, without projecting it."""
    _, tensors = trainable(underlying(model))
    momos.motifs_for(momos.layout(tensors))


def underlying(model: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` wrapped, or the module itself."""
    found: nn.Module = getattr(model, "_orig_mod", model)
    return found


def _was_skipped(optimizer: Optimizer) -> bool:
    """Whether a ``GradScaler`` told a fused optimizer to leave the weights; others it does not call at all."""
    found: Tensor | None = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)
