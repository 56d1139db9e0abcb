"""Training a network under a method: epochs, early stopping, best and final weights, exact resume.

A run is decided by its ``RunConfig``. Initialization, order of images, augmentation, motifs and dropout draw from
generators of their own; their states are in the checkpoint, so a run that was killed ends with the weights of one that
was not. On a GPU that holds where every operation has a deterministic algorithm; torch warns of those that have none.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.bound import rac
from complexity_lab.momos.checkpoints import RunDirectory, notes_of
from complexity_lab.momos.datasets import Images, load_dataset
from complexity_lab.momos.devices import autocast, device_of, forked_randomness, random_states, restore_random_states
from complexity_lab.momos.inputs import Inputs
from complexity_lab.momos.method import Method
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.projection import trainable
from complexity_lab.momos.qat import RAW, plain_name, plain_state_dict, quantize_weights
from complexity_lab.momos.recipes import Recipe
from complexity_lab.momos.repeatability import deterministic, generators_of, seeds_of
from complexity_lab.momos.runs import EpochRecord, Precision, RunConfig, RunResult
from complexity_lab.momos.schedule import Projector, attach, refuse_impossible

__all__ = ["EpochRecord", "Precision", "Probe", "RunConfig", "RunResult", "check", "device_of", "train"]

Probe = Callable[[nn.Module], Mapping[str, float]]
OnEpoch = Callable[[EpochRecord], None]


def check(config: RunConfig) -> None:
    """Raise what would keep a run from working, before anything is trained or written: data, network, blocks, device.

    Raises:
        InputError, UnknownNameError, UnreachableError: one sentence each.
    """
    with forked_randomness(device_of(config.device)):
        _Run(config, None)


def train(
    config: RunConfig,
    directory: Path,
    *,
    probe: Probe | None = None,
    on_epoch: OnEpoch | None = None,
    stop: Callable[[], bool] | None = None,
) -> RunResult:
    """Train a run in a directory, or go on with it, or return its result if it is finished.

    The directory then holds ``initial.safetensors``, ``best.safetensors``, ``final.safetensors`` and ``result.json``.
    What ``check`` checks is checked first. The caller's random numbers and number of threads stay as they are.

    Args:
        config: what to train.
        directory: of this run alone.
        probe: computes metrics of the raw weights before training and after every epoch. The names in its attribute
            ``metrics``, if it has one, stay the same when a run is resumed.
        on_epoch: told every epoch, after it is safe on disk; told again of none when a run is resumed.
        stop: asked after every epoch whether to end here, as if training had been planned so.

    Raises:
        PlanMismatchError: the directory holds a run of another configuration, or one that watches other metrics.
        WeightsError: the loss or a weight is no longer finite; epoch and step are named.
        OutputError: the directory cannot be written.
        InputError, UnknownNameError, UnreachableError: see ``check``.
    """
    files, metrics = RunDirectory(directory), tuple(getattr(probe, "metrics", ()))
    files.refuse_other(config.as_dict(), metrics)
    finished = files.result()
    if finished is not None:
        return RunResult.from_dict(config, finished)
    device = device_of(config.device)
    with forked_randomness(device), deterministic(device):
        run = _Run(config, probe)
        files.claim(config.as_dict(), metrics)
        if not run.resume(files):
            run.begin(files, on_epoch)
        run.fit(files, on_epoch, stop)
        result = run.result(files)
    files.finish(result.as_dict())
    return result


class _Run:
    """The state of one training."""

    def __init__(self, config: RunConfig, probe: Probe | None) -> None:
        self.config, self.probe, self.device = config, probe, device_of(config.device)
        if config.precision == "float16" and self.device.type != "cuda":
            raise InputError("float16 training needs a GPU; use bfloat16 or float32 on this device")
        recipe, method = config.recipe, config.method
        self.data = load_dataset(
            config.dataset, data_dir=config.data_dir, validation=config.validation, device=self.device
        )
        self.inputs = Inputs(self.data, recipe.image_size)
        model = build_model(
            config.model,
            num_classes=self.data.num_classes,
            in_channels=self.data.in_channels,
            image_size=recipe.image_size,
            seed=config.seed,
        )
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = sum(parameter.numel() for parameter in trainable(self.model)[1])
        if method.rounds:
            quantize_weights(self.model, method.bits, recipe.qat_exclude)
        self.forward: Callable[[Tensor], Tensor] = torch.compile(self.model) if config.compile else self.model
        self.optimizer = _optimizer(self.model, recipe)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=recipe.epochs)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self.generators = generators_of(config.seed)
        self.projector = self._projector(method)
        self.epochs: list[EpochRecord] = []
        self.best_loss, self.best_epoch = math.inf, 0
        self.stopped_early = False
        self.seconds = 0.0
        self._try_once()

    def _projector(self, method: Method) -> Projector | None:
        if not method.has_motifs:
            return None
        momos = method.momos(self.generators["motifs"])
        if method.every != "epoch":
            return attach(momos, self.model, self.optimizer, method.every)
        refuse_impossible(momos, self.model)
        return Projector(momos)

    @torch.no_grad()
    def _try_once(self) -> None:
        """Show the network one image, so that what it cannot read is found before training."""
        self.model.eval()
        pixels, _ = next(self.inputs.in_order(self.data.validation))
        try:
            found = tuple(self.model(pixels[:1]).shape)
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            found = (" ".join(str(error).split())[:150],)
        if found != (1, self.data.num_classes):
            shape = " x ".join(map(str, pixels.shape[1:]))
            raise InputError(
                f"{self.config.model} maps one image of {shape} to {found}, wanted (1, {self.data.num_classes}) "
                "logits; choose another network or image size"
            )

    def resume(self, files: RunDirectory) -> bool:
        """Take up a checkpoint; return whether there is one."""
        state = files.checkpoint(self.device)
        if state is None:
            return False
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        restore_random_states(state["dropout"], self.device)
        if self.projector is not None:
            self.projector.load_state_dict(state["projector"])
        told = json.loads(state["told"])
        self.epochs = [EpochRecord(**epoch) for epoch in told["epochs"]]
        self.best_loss, self.best_epoch = told["best_loss"], told["best_epoch"]
        self.stopped_early, self.seconds = told["stopped_early"], told["seconds"]
        self._save_best(files)  # the process may have been killed just before it did
        return True

    def begin(self, files: RunDirectory, on_epoch: OnEpoch | None) -> None:
        """Write the initial weights and look at them."""
        torch.manual_seed(seeds_of(self.config.seed)["dropout"])  # dropout takes no generator
        self._save_weights(files, "initial")
        self.epochs.append(self._record(0))
        if self.projector is None:  # the initial weights are a candidate, but no mosaic
            self._note_best()
        self._save(files)
        if on_epoch is not None:
            on_epoch(self.epochs[0])

    def _save(self, files: RunDirectory) -> None:
        """Save the checkpoint, then the best weights, which so are never of an epoch that it does not know."""
        told = {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "stopped_early": self.stopped_early,
            "seconds": self.seconds,
        }
        files.save_checkpoint(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "generators": {name: generator.get_state() for name, generator in self.generators.items()},
                "dropout": random_states(self.device),
                "projector": None if self.projector is None else dict(self.projector.state_dict()),
                "told": json.dumps(told),
            }
        )
        self._save_best(files)

    def _save_best(self, files: RunDirectory) -> None:
        if self.best_epoch == self.epochs[-1].epoch and math.isfinite(self.best_loss):
            self._save_weights(files, "best")

    def _save_weights(self, files: RunDirectory, name: str) -> None:
        rounded = [plain_name(key) for key in self.model.state_dict() if key.endswith(RAW)]
        files.save_weights(name, plain_state_dict(self.model), notes_of(self.config.method, rounded))

    def fit(self, files: RunDirectory, on_epoch: OnEpoch | None, stop: Callable[[], bool] | None) -> None:
        """Train the epochs that are left."""
        recipe = self.config.recipe
        while len(self.epochs) <= recipe.epochs and not self.stopped_early:
            started = time.perf_counter()
            self.epochs.append(self._epoch(len(self.epochs)))
            self._note_best()
            waited = self.epochs[-1].epoch - self.best_epoch
            self.stopped_early = recipe.patience is not None and waited >= recipe.patience
            self.seconds += time.perf_counter() - started
            self._save(files)
            if on_epoch is not None:
                on_epoch(self.epochs[-1])
            if stop is not None and stop():
                break

    def _note_best(self) -> None:
        last = self.epochs[-1]
        if last.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = last.validation_loss, last.epoch

    def _epoch(self, number: int) -> EpochRecord:
        rate = float(self.optimizer.param_groups[0]["lr"])
        projector, started = self.projector, time.perf_counter()
        count, seconds = (projector.projections, projector.seconds) if projector else (0, 0.0)
        loss, accuracy = self._pass(number)
        self.scheduler.step()
        record = replace(
            self._record(number, rate, trained=time.perf_counter() - started),
            train_loss=loss,
            train_accuracy=accuracy,
        )
        if projector is None or projector.last is None or projector.projections == count:
            return record
        return replace(
            record,
            distortion=projector.last.distortion,
            num_changed_weights=projector.last.num_changed_weights,
            used_motifs=projector.last.used_motifs,
            distinct_motifs=projector.last.distinct_motifs,
            projections=projector.projections - count,
            seconds_projection=projector.seconds - seconds,
        )

    def _pass(self, number: int) -> tuple[float, float]:
        """Train on every image once; return the mean loss of the batches and the accuracy on the way."""
        self.model.train()
        count, size = len(self.data.training), self.config.recipe.batch_size
        order = torch.randperm(count, generator=self.generators["order"]).to(self.device)
        if count > 1 and count % size == 1:
            order = order[:-1]  # batch normalization cannot work on a last batch of one image
        steps = -(-len(order) // size)
        losses: list[Tensor] = []
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        batches = self.inputs.training(order, size, self.generators["augmentation"])
        for step, (pixels, labels) in enumerate(batches, start=1):
            try:
                loss, hits = self._step(pixels, labels)
            except WeightsError as error:  # the projection found weights that are not finite
                raise self._diverged(number, f"step {step} of {steps}", str(error)) from None
            losses.append(loss)
            right += hits
        self._project_the_rest()
        self._refuse_not_finite(number, torch.stack(losses))
        return float(torch.stack(losses).mean()), int(right) / len(order)

    def _step(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Train on one batch; return its loss and how many of its images were right."""
        with autocast(self.device, self.config.precision):
            outputs = self.forward(pixels)
            loss = F.cross_entropy(outputs, labels)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.step(self.optimizer)  # where the scaler skips a step, nothing is projected either
        self.scaler.update()
        return loss.detach(), (outputs.detach().argmax(1) == labels).sum()

    def _project_the_rest(self) -> None:
        """Project at the end of an epoch unless its last step did: what is validated and saved is a mosaic."""
        every, projector = self.config.method.every, self.projector
        if projector is not None and (every == "epoch" or projector.steps % projector.every):
            projector.project(self.model)

    def _refuse_not_finite(self, number: int, losses: Tensor) -> None:
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        if bad:
            what = f"the loss is {float(losses[bad[0]])}"
            raise self._diverged(number, f"step {bad[0] + 1} of {len(losses)}", what)
        for name, parameter in self.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise self._diverged(number, f"step {len(losses)} of {len(losses)}", f"{name} is not finite")

    def _diverged(self, epoch: int, where: str, what: str) -> WeightsError:
        rate = float(self.optimizer.param_groups[0]["lr"])
        other = "" if self.config.precision == "float32" else ", or train with precision float32"
        return WeightsError(
            f"training of {self.config.key} diverged in epoch {epoch}, {where}: {what}; lower the learning rate, "
            f"{rate:g} there{other}"
        )

    @torch.no_grad()
    def _record(self, number: int, rate: float | None = None, trained: float = 0.0) -> EpochRecord:
        """Evaluate on the validation images, and probe the raw weights."""
        loss, accuracy = self.evaluate(self.data.validation)
        if not math.isfinite(loss):
            raise self._diverged(number, "validation", f"the loss is {loss}")
        return EpochRecord(
            epoch=number,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]) if rate is None else rate,
            validation_loss=loss,
            validation_accuracy=accuracy,
            seconds_training=trained,
            metrics=dict(self.probe(self.model)) if self.probe is not None else {},
        )

    @torch.no_grad()
    def evaluate(self, images: Images) -> tuple[float, float]:
        """Return mean loss and accuracy over images."""
        self.model.eval()
        loss, right = 0.0, 0
        for pixels, labels in self.inputs.in_order(images):
            with autocast(self.device, self.config.precision):
                outputs = self.forward(pixels)
            loss += float(F.cross_entropy(outputs.float(), labels, reduction="sum"))
            right += int((outputs.argmax(1) == labels).sum())
        return loss / len(images), right / len(images)

    def result(self, files: RunDirectory) -> RunResult:
        """Write the final weights, test them and the best ones."""
        self._save_weights(files, "final")
        loss, final = self.evaluate(self.data.test)
        best = final
        if self.best_epoch != self.epochs[-1].epoch:
            self._load_weights(files, "best")
            best = self.evaluate(self.data.test)[1]
        blocks, k, compression = self._mosaic()
        return RunResult(
            config=self.config,
            epochs=self.epochs,
            best_epoch=self.best_epoch,
            stopped_early=self.stopped_early,
            test_accuracy_best=best,
            test_accuracy_final=final,
            test_loss_final=loss,
            parameters=self.parameters,
            blocks=blocks,
            k=k,
            rac=compression,
            seconds=self.seconds,
        )

    def _load_weights(self, files: RunDirectory, name: str) -> None:
        """Read weights under plain names into the network, whose weights may be rounded and so named differently."""
        stored, state = files.weights(name, self.device), self.model.state_dict()
        plain = dict(zip(state, plain_state_dict(self.model), strict=True))
        self.model.load_state_dict({key: stored[plain[key]] for key in state})

    def _mosaic(self) -> tuple[int | None, int | None, float]:
        """Return blocks, motifs and relative algorithmic compression: of the mosaic, or of fewer bits."""
        if self.projector is None:
            return None, None, 32 / self.config.method.bits
        momos = self.projector.momos
        layout = momos.layout(trainable(self.model)[1])
        k = momos.motifs_for(layout)
        return layout.blocks, k, rac(n=layout.values, s=layout.s, k=k, q=momos.q, m=layout.blocks)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    # fused: one pass over each parameter, about a tenth of a small batch's step of Tiny-ViT
    return torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
