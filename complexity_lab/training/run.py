"""A run: epochs in a directory, early stopping, best and final weights, exact resume.

Initialization, order of examples, augmentation, treatment of weights and dropout draw from streams of their own, whose
states are in the checkpoint: a run that was killed ends with the weights of one that was not. On a GPU that holds where
every operation has a deterministic algorithm; torch warns of those that have none.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.tables.rows import Measurement
from complexity_lab.training.checkpoints import RunDirectory
from complexity_lab.training.examples import Examples
from complexity_lab.training.records import EpochRecord, Outcome
from complexity_lab.training.scores import Score, evaluate
from complexity_lab.training.trainer import Trainer

Probe = Callable[[nn.Module], Sequence[Measurement]]
OnEpoch = Callable[[EpochRecord], None]
Stop = Callable[[], bool]


class Treatment:
    """What a run does to weights besides training them; this one does nothing, and its children override.

    Attributes:
        initial_counts: whether the initial weights are as the treatment leaves them, and so may be the best.
    """

    initial_counts = True

    def after_epoch(self, network: nn.Module) -> dict[str, Any]:
        """Treat the weights that will be validated and saved, and return what there is to note in ``EpochRecord``."""
        del network
        return {}

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """Return what to save, in the order of the state dict, by the names of the untreated network."""
        return network.state_dict()

    def notes(self, network: nn.Module) -> dict[str, str]:
        """Return the metadata of saved weights."""
        del network
        return {}

    def state_dict(self) -> dict[str, Any] | None:
        """Return what a resumed run needs, tensors and plain values."""
        return None

    def load_state_dict(self, state: Any) -> None:
        """Go on where ``state_dict`` was taken."""


class Run:
    """One run that is under way.

    Args:
        trainer: of its network.
        treatment: of its weights.
        dropout: seed of torch's own generator, which dropout draws from.
        probe: measures the raw weights before training and after every epoch; its rows need no step.

    Raises:
        InputError: the network cannot read the images, or does not map them to as many logits as there are classes.
    """

    def __init__(self, trainer: Trainer, treatment: Treatment, *, dropout: int, probe: Probe | None = None) -> None:
        self.trainer, self.treatment, self.dropout, self.probe = trainer, treatment, dropout, probe
        self.network, self.recipe = trainer.network, trainer.recipe
        self.epochs: list[EpochRecord] = []
        self.best_loss, self.best_epoch = math.inf, 0
        self.stopped_early = False
        self.seconds = 0.0
        self._try_once()

    @torch.no_grad()
    def _try_once(self) -> None:
        """Show the network one image, so that what it cannot read is found before training."""
        self.network.eval()
        data = self.trainer.data
        pixels, _ = next(self.trainer.batches.in_order(data.validation))
        try:
            found = tuple(self.network(pixels[:1]).shape)
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            found = (" ".join(str(error).split())[:150],)
        if found != (1, data.classes):
            shape = " x ".join(map(str, pixels.shape[1:]))
            raise InputError(
                f"the network of {self.trainer.label} maps one image of {shape} to {found}, wanted "
                f"(1, {data.classes}) logits; choose another network or image size"
            )

    def train(self, files: RunDirectory, on_epoch: OnEpoch | None = None, stop: Stop | None = None) -> Outcome:
        """Begin, or go on from the checkpoint, to the end; write and test the best and the final weights.

        Args:
            files: directory of this run alone.
            on_epoch: called with every epoch once it is safe on disk; with none again when a run is resumed.
            stop: asked after every epoch whether to end here, as if training had been planned so.

        Raises:
            WeightsError: the loss or a weight is no longer finite; epoch and step are named.
            OutputError: the directory cannot be written.
        """
        if not self._resume(files):
            self._begin(files, on_epoch)
        while len(self.epochs) <= (self.recipe.epochs or 0) and not self.stopped_early:
            started = time.perf_counter()
            self.epochs.append(self._epoch())
            self._note_best()
            waited = self.epochs[-1].epoch - self.best_epoch
            self.stopped_early = self.recipe.patience is not None and waited >= self.recipe.patience
            self.seconds += time.perf_counter() - started
            self._save(files)
            if on_epoch is not None:
                on_epoch(self.epochs[-1])
            if stop is not None and stop():
                break
        return self._outcome(files)

    def _begin(self, files: RunDirectory, on_epoch: OnEpoch | None) -> None:
        """Write the initial weights and look at them."""
        torch.manual_seed(self.dropout)  # dropout takes no generator
        self._save_weights(files, "initial")
        self.epochs.append(self._record())
        if self.treatment.initial_counts:
            self._note_best()
        self._save(files)
        if on_epoch is not None:
            on_epoch(self.epochs[0])

    def _resume(self, files: RunDirectory) -> bool:
        """Take up a checkpoint; return whether there is one."""
        state = files.checkpoint(self.trainer.device)
        if state is None:
            return False
        self.trainer.load_state_dict(state["trainer"])
        self.treatment.load_state_dict(state["treatment"])
        progress = json.loads(state["progress"])
        self.epochs = [EpochRecord.from_dict(epoch) for epoch in progress["epochs"]]
        self.best_loss, self.best_epoch = progress["best_loss"], progress["best_epoch"]
        self.stopped_early, self.seconds = progress["stopped_early"], progress["seconds"]
        self._save_best(files)  # the process may have been killed just before it did
        return True

    def _save(self, files: RunDirectory) -> None:
        """Save the checkpoint, then the best weights, which so are never of an epoch that it does not know."""
        progress = {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "stopped_early": self.stopped_early,
            "seconds": self.seconds,
        }
        state = {"trainer": self.trainer.state_dict(), "treatment": self.treatment.state_dict()}
        files.save_checkpoint({**state, "progress": json.dumps(progress)})
        self._save_best(files)

    def _save_best(self, files: RunDirectory) -> None:
        if self.best_epoch == self.epochs[-1].epoch and math.isfinite(self.best_loss):
            self._save_weights(files, "best")

    def _save_weights(self, files: RunDirectory, name: str) -> None:
        files.save_weights(name, self.treatment.weights(self.network), self.treatment.notes(self.network))

    def _note_best(self) -> None:
        last = self.epochs[-1]
        if last.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = last.validation_loss, last.epoch

    def _epoch(self) -> EpochRecord:
        """Train on every image once, treat the weights, and return the record with loss and accuracy on the way."""
        started, seen = time.perf_counter(), 0
        losses: list[Tensor] = []
        right: list[Tensor] = []
        for update in self.trainer.epoch():
            losses.append(update.loss)
            right.append(update.right)
            seen += len(update.labels)
        try:
            treated = self.treatment.after_epoch(self.network)
        except WeightsError as error:
            raise self.trainer.diverged(str(error)) from None
        self.trainer.refuse_not_finite()
        loss, share = float(torch.stack(losses).mean()), int(torch.stack(right).sum()) / seen
        seconds = time.perf_counter() - started
        return replace(self._record(), train_loss=loss, train_accuracy=share, seconds_training=seconds, **treated)

    def _record(self) -> EpochRecord:
        """Evaluate on the validation images, and probe the raw weights."""
        found = self._score(self.trainer.data.validation)
        if not math.isfinite(found.loss):
            raise self.trainer.diverged(f"the loss is {found.loss}", during="validation")
        with torch.no_grad():
            rows = tuple(self.probe(self.network)) if self.probe is not None else ()
        return EpochRecord(len(self.epochs), self.trainer.rate, found.loss, found.accuracy, measurements=rows)

    def _score(self, part: Examples) -> Score:
        self.network.eval()
        return evaluate(self.trainer.forward, self.trainer.batches.in_order(part), self.trainer.precision)

    def _outcome(self, files: RunDirectory) -> Outcome:
        """Write the final weights, test them and the best ones."""
        self._save_weights(files, "final")
        test = self.trainer.data.test
        final = best = self._score(test)
        if self.best_epoch != self.epochs[-1].epoch:
            self._load_weights(files, "best")
            best = self._score(test)
        return Outcome(
            epochs=self.epochs,
            best_epoch=self.best_epoch,
            stopped_early=self.stopped_early,
            test_accuracy_best=best.accuracy,
            test_accuracy_final=final.accuracy,
            test_loss_final=final.loss,
            parameters=sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad),
            seconds=self.seconds,
        )

    def _load_weights(self, files: RunDirectory, name: str) -> None:
        """Read weights into the network, whose treatment may name them differently."""
        stored, state = files.weights(name, self.trainer.device), self.network.state_dict()
        names = zip(state, self.treatment.weights(self.network), strict=True)
        self.network.load_state_dict({own: stored[plain] for own, plain in names})
