"""MoMos inside other people's training loops: Lightning, and the Trainer of Hugging Face transformers.

Neither package is needed; each is imported when its callback is made. Both loops count optimizer steps themselves and
resume the count from their checkpoints, so that a resumed run projects at the same steps.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from complexity_lab.errors import InputError
from complexity_lab.momos.method import Every
from complexity_lab.momos.projection import MoMos
from complexity_lab.momos.schedule import OnProjection, Projector, refuse_impossible


def lightning_callback(momos: MoMos, every: Every = "step", on_projection: OnProjection | None = None) -> Any:
    """Return a callback for ``lightning.pytorch.Trainer(callbacks=[...])``.

    Args:
        momos: the projection.
        every: ``step``, ``epoch``, or a number of optimizer steps (``trainer.global_step``).
        on_projection: called with the result of each projection.

    Raises:
        InputError: Lightning is not installed, or ``every`` is none of these.
    """
    base = _class("lightning.pytorch", "Callback", "lightning")
    return _derive("MoMosCallback", LightningHooks, base)(momos, every, on_projection)


def trainer_callback(momos: MoMos, every: Every = "step", on_projection: OnProjection | None = None) -> Any:
    """Return a callback for ``transformers.Trainer(callbacks=[...])``; arguments as for ``lightning_callback``.

    Raises:
        InputError: transformers is not installed, or ``every`` is neither ``step``, ``epoch`` nor a number from 1 on.
    """
    base = _class("transformers", "TrainerCallback", "transformers")
    return _derive("MoMosTrainerCallback", TrainerHooks, base)(momos, every, on_projection)


class Hooks:
    """What both callbacks share.

    Attributes:
        projector: counts, and the latest ``Projection``.
        each_epoch: project at the end of an epoch, not after steps.
    """

    def __init__(self, momos: MoMos, every: Every, on_projection: OnProjection | None) -> None:
        super().__init__()
        if isinstance(every, str) and every not in ("step", "epoch"):
            raise InputError(f"every {every!r}, wanted step, epoch or a number of steps")
        self.each_epoch = every == "epoch"
        self.projector = Projector(momos, 1 if isinstance(every, str) else every, on_projection)

    def _begin(self, model: nn.Module, steps: int) -> None:
        refuse_impossible(self.projector.momos, model)
        self.projector.steps = steps

    def _finish_epoch(self, model: nn.Module, steps: int) -> None:
        """Project if steps were made since the last time."""
        if self.each_epoch and steps > self.projector.steps:
            self.projector.steps = steps
            self.projector.project(model)


class LightningHooks(Hooks):
    """The methods that Lightning calls.

    Lightning validates after ``on_train_batch_end`` of the last batch and before ``on_train_epoch_end``. A projection
    each epoch comes at the earlier of them, so that validation and checkpoints see projected weights, as in the paper's
    program; the later one catches an epoch that ended otherwise.
    """

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Refuse what cannot be projected, and count from where a checkpoint left off."""
        self._begin(pl_module, trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Project if an optimizer step was made since the batch before and one is due."""
        del outputs, batch, batch_idx
        if not self.each_epoch:
            self.projector.advance(pl_module, trainer.global_step)
        elif trainer.is_last_batch:
            self._finish_epoch(pl_module, trainer.global_step)

    def on_train_epoch_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Project what the epoch left unprojected, if once an epoch is wanted."""
        self._finish_epoch(pl_module, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning saves with its checkpoints."""
        return dict(self.projector.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint of Lightning."""
        self.projector.load_state_dict(state_dict)  # type: ignore[arg-type]


class TrainerHooks(Hooks):
    """The methods that transformers' Trainer calls; ``state.global_step`` counts optimizer steps."""

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any
    ) -> None:
        """Refuse what cannot be projected, and count from where a checkpoint left off."""
        del args, control, kwargs
        self._begin(_given(model), state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any) -> None:
        """Project if one is due; the Trainer calls this after real steps, not while it accumulates gradients."""
        del args, control, kwargs
        if not self.each_epoch:
            self.projector.advance(_given(model), state.global_step)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any) -> None:
        """Project, if once an epoch is wanted; the Trainer evaluates and saves after this."""
        del args, control, kwargs
        self._finish_epoch(_given(model), state.global_step)


def _given(model: nn.Module | None) -> nn.Module:
    if model is None:
        raise InputError("the trainer called without model=, so there is nothing to project")
    return model


def _class(module: str, name: str, package: str) -> type[Any]:
    try:
        found: type[Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        wanted = f"{module}.{name} needs the package {package}"
        raise InputError(f"{wanted}, which cannot be imported ({missing}); install it") from missing
    return found


def _derive(name: str, hooks: type[Hooks], base: type[Any]) -> Any:
    """Return a class of the framework whose hooks are ours."""
    return type(name, (hooks, base), {"__doc__": hooks.__doc__, "__module__": __name__})
