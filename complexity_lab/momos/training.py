"""Training a network under a method: epochs, early stopping, best and final weights, exact resume.

A run is decided by its ``RunConfig``. Initialization, order of images, augmentation and motifs draw from generators of
their own; their states are in the checkpoint, so a run that was killed ends with the weights of one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.augment import augment, resized
from complexity_lab.momos.bound import rac
from complexity_lab.momos.checkpoints import RunDirectory
from complexity_lab.momos.datasets import Images, Splits, load_dataset
from complexity_lab.momos.method import Method
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.projection import MoMos, trainable
from complexity_lab.momos.qat import plain_state_dict, quantize_weights
from complexity_lab.momos.recipes import Recipe
from complexity_lab.momos.schedule import Projector, attach, refuse_impossible

Precision = Literal["float32", "bfloat16", "float16"]
Probe = Callable[[nn.Module], Mapping[str, float]]
EVALUATION_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that decides a run.

    Attributes:
        model: name of the network, see ``networks``.
        dataset: name of the images, see ``datasets``.
        method: what is done to the weights.
        recipe: hyper-parameters.
        seed: of initialization, order of images, augmentation and motifs.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: of the forward pass; weights stay float32.
        compile: run the network through ``torch.compile``.
        data_dir: where torchvision's files lie.
        validation: share of the training images held out; the data set's own if None.
    """

    model: str
    dataset: str
    method: Method
    recipe: Recipe
    seed: int = 0
    device: str = "auto"
    precision: Precision = "float32"
    compile: bool = False
    data_dir: Path | None = None
    validation: float | None = None

    @property
    def key(self) -> str:
        """A name for the run's directory and rows."""
        return f"{self.dataset}-{self.model}-{self.method.name}-{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides the weights, as JSON types; where it runs is not part of it."""
        decisive = {key: value for key, value in asdict(self).items() if key not in ("device", "data_dir")}
        found: dict[str, Any] = json.loads(json.dumps(decisive))
        return found


@dataclass
class EpochRecord:
    """One epoch; 0 is before training. Accuracies are fractions, losses means, see ``tables.schema.EPOCHS``."""

    epoch: int
    learning_rate: float
    validation_loss: float
    validation_accuracy: float
    train_loss: float | None = None
    train_accuracy: float | None = None
    distortion: float | None = None
    num_changed_weights: int | None = None
    used_motifs: int | None = None
    distinct_motifs: int | None = None
    projections: int = 0
    seconds_training: float = 0.0
    seconds_projection: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class RunResult:
    """A finished run. ``k`` and ``blocks`` are None without motifs."""

    config: RunConfig
    epochs: list[EpochRecord]
    best_epoch: int
    stopped_early: bool
    test_accuracy_best: float
    test_accuracy_final: float
    test_loss_final: float
    parameters: int
    blocks: int | None
    k: int | None
    rac: float
    seconds: float


def device_of(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        InputError: there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = name.split(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        raise InputError(
            f"device {name!r} is not available here; wanted {', '.join(k for k, yes in there.items() if yes)}"
        )
    return torch.device(name)


def check(config: RunConfig) -> None:
    """Raise what would keep a run from working, before anything is trained: data, network, blocks, device.

    Raises:
        InputError, UnknownNameError, UnreachableError: one sentence each.
    """
    if config.precision not in ("float32", "bfloat16", "float16"):
        raise InputError(f"precision {config.precision!r}, wanted float32, bfloat16 or float16")
    if config.precision == "float16" and device_of(config.device).type != "cuda":
        raise InputError("float16 training needs a GPU; use bfloat16 or float32 on this device")
    device_of(config.device)
    _Run(config, None)


def train(
    config: RunConfig,
    directory: Path,
    *,
    probe: Probe | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> RunResult:
    """Train a run in a directory, or go on with it, or return its result if it is finished.

    The directory then holds ``initial.safetensors``, ``best.safetensors``, ``final.safetensors`` and ``result.json``.

    Args:
        config: what to train.
        directory: of this run alone.
        probe: computes metrics of the raw weights before training and after every epoch.
        on_epoch: told every epoch, after it is safe on disk.
        stop: asked after every epoch whether to end here, as if training had been planned so.

    Raises:
        PlanMismatchError: the directory holds a run of another configuration.
        WeightsError: the loss or a weight is no longer finite.
        OutputError: the directory cannot be written.
    """
    files = RunDirectory(directory)
    files.claim(config.as_dict())
    finished = files.result()
    if finished is not None:
        return _restored(config, finished)
    check(config)
    with _own_state():
        run = _Run(config, probe)
        run.resume(files)
        run.fit(files, on_epoch, stop)
        result = run.result(files)
    stored = asdict(result)
    del stored["config"]
    files.finish(stored)
    return result


def _restored(config: RunConfig, stored: dict[str, Any]) -> RunResult:
    epochs = [EpochRecord(**epoch) for epoch in stored.pop("epochs")]
    return RunResult(config=config, epochs=epochs, **stored)


@contextmanager
def _own_state() -> Iterator[None]:
    """Leave torch's global random numbers as they were."""
    with torch.random.fork_rng():
        yield


class _Run:
    """The state of one training."""

    def __init__(self, config: RunConfig, probe: Probe | None) -> None:
        recipe, method = config.recipe, config.method
        self.config, self.probe, self.device = config, probe, device_of(config.device)
        self.data: Splits = load_dataset(
            config.dataset, data_dir=config.data_dir, validation=config.validation, device=self.device
        )
        model = build_model(
            config.model,
            num_classes=self.data.num_classes,
            in_channels=self.data.in_channels,
            image_size=recipe.image_size,
            seed=config.seed,
        )
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = sum(p.numel() for p in trainable(self.model)[1])
        if method.rounds:
            quantize_weights(self.model, method.bits, recipe.qat_exclude)
        self.forward: Callable[[Tensor], Tensor] = torch.compile(self.model) if config.compile else self.model
        self.optimizer = _optimizer(self.model, recipe)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=recipe.epochs)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        seeds = np.random.SeedSequence(config.seed).generate_state(4, dtype=np.uint64)
        self.generators = {
            name: torch.Generator().manual_seed(int(seed) >> 1)
            for name, seed in zip(("order", "augmentation", "motifs"), seeds, strict=False)
        }
        torch.manual_seed(int(seeds[3]) >> 1)  # dropout, which has no generator of its own
        self.projector = self._projector(method)
        self.epochs: list[EpochRecord] = []
        self.best_loss = math.inf
        self.best_epoch = 0
        self.stopped_early = False
        self.seconds = 0.0

    def _projector(self, method: Method) -> Projector | None:
        if not method.has_motifs:
            return None
        momos: MoMos = method.momos(self.generators["motifs"])
        refuse_impossible(momos, self.model)
        if method.every == "epoch":
            return Projector(momos)
        return attach(momos, self.model, self.optimizer, method.every)

    def resume(self, files: RunDirectory) -> None:
        """Take up a checkpoint, or write the initial weights and look at them."""
        state = files.checkpoint(self.device)
        if state is None:
            files.save_weights("initial", plain_state_dict(self.model), self.config.method.bits)
            self.epochs.append(self._record(0))
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name].cpu())
        torch.set_rng_state(state["rng"].cpu())
        if self.projector is not None:
            self.projector.load_state_dict(state["projector"])
        told = json.loads(state["told"])
        self.epochs = [EpochRecord(**epoch) for epoch in told["epochs"]]
        self.best_loss, self.best_epoch = told["best_loss"], told["best_epoch"]
        self.stopped_early, self.seconds = told["stopped_early"], told["seconds"]

    def _save(self, files: RunDirectory) -> None:
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
                "rng": torch.get_rng_state(),
                "projector": None if self.projector is None else dict(self.projector.state_dict()),
                "told": json.dumps(told),
            }
        )

    def fit(
        self, files: RunDirectory, on_epoch: Callable[[EpochRecord], None] | None, stop: Callable[[], bool] | None
    ) -> None:
        """Train the epochs that are left."""
        recipe = self.config.recipe
        if on_epoch is not None and len(self.epochs) == 1:
            on_epoch(self.epochs[0])
        while len(self.epochs) - 1 < recipe.epochs and not self.stopped_early:
            started = time.perf_counter()
            record = self._epoch(len(self.epochs))
            self.epochs.append(record)
            if record.validation_loss < self.best_loss:
                self.best_loss, self.best_epoch = record.validation_loss, record.epoch
                files.save_weights("best", plain_state_dict(self.model), self.config.method.bits)
            patience = recipe.patience
            self.stopped_early = patience is not None and record.epoch - self.best_epoch >= patience
            self.seconds += time.perf_counter() - started
            self._save(files)
            if on_epoch is not None:
                on_epoch(record)
            if stop is not None and stop():
                break

    def _epoch(self, number: int) -> EpochRecord:
        rate = float(self.optimizer.param_groups[0]["lr"])
        started, projecting = time.perf_counter(), self.projector.seconds if self.projector else 0.0
        projected = self.projector.projections if self.projector else 0
        loss, right = self._pass(number)
        if self.projector is not None and self.config.method.every == "epoch":
            self.projector.project(self.model)
        self.scheduler.step()
        training = time.perf_counter() - started
        record = self._record(number)
        record.learning_rate = rate
        record.train_loss, record.train_accuracy, record.seconds_training = loss, right, training
        if self.projector is not None:
            record.projections = self.projector.projections - projected
            record.seconds_projection = self.projector.seconds - projecting
            if (last := self.projector.last) is not None:
                record.distortion, record.num_changed_weights = last.distortion, last.num_changed_weights
                record.used_motifs, record.distinct_motifs = last.used_motifs, last.distinct_motifs
        return record

    def _pass(self, number: int) -> tuple[float, float]:
        """Train on every image once; return the mean loss of the batches and the accuracy on the way."""
        self.model.train()
        images, size = self.data.training, self.config.recipe.batch_size
        order = torch.randperm(len(images), generator=self.generators["order"]).to(self.device)
        losses: list[Tensor] = []
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        for start in range(0, len(images), size):
            chosen = order[start : start + size]
            if len(chosen) == 1 and len(images) > 1:
                continue  # batch normalization cannot work on one image
            loss, outputs = self._step(images, chosen)
            losses.append(loss)
            right += (outputs.argmax(1) == images.labels[chosen]).sum()
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            rate = self.optimizer.param_groups[0]["lr"]
            raise WeightsError(
                f"training of {self.config.key} diverged: the loss of epoch {number} is {mean}; lower the learning "
                f"rate ({rate:g})"
            )
        return mean, int(right) / len(images)

    def _step(self, images: Images, chosen: Tensor) -> tuple[Tensor, Tensor]:
        pixels = augment(
            self.data.augmentation,
            images.pixels[chosen],
            self.config.recipe.image_size,
            self.generators["augmentation"],
        )
        with self._autocast():
            outputs = self.forward(self._normalised(pixels))
            loss = F.cross_entropy(outputs, images.labels[chosen])
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach(), outputs.detach()

    def _autocast(self) -> torch.autocast:
        precision = self.config.precision
        return torch.autocast(
            self.device.type,
            dtype=torch.bfloat16 if precision == "float32" else getattr(torch, precision),
            enabled=precision != "float32",
        )

    def _normalised(self, pixels: Tensor) -> Tensor:
        mean, sd = (torch.tensor(v, device=pixels.device).view(1, -1, 1, 1) for v in (self.data.mean, self.data.sd))
        return ((pixels.float() / 255 - mean) / sd).contiguous(memory_format=torch.channels_last)

    def _record(self, number: int) -> EpochRecord:
        """Evaluate on the validation images, and probe the raw weights."""
        loss, accuracy = self.evaluate(self.data.validation)
        metrics = dict(self.probe(self.model)) if self.probe is not None else {}
        return EpochRecord(number, float(self.optimizer.param_groups[0]["lr"]), loss, accuracy, metrics=metrics)

    @torch.no_grad()
    def evaluate(self, images: Images) -> tuple[float, float]:
        """Return mean loss and accuracy over images."""
        self.model.eval()
        loss, right = 0.0, 0
        for start in range(0, len(images), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            with self._autocast():
                outputs = self.forward(self._normalised(resized(images.pixels[part], self.config.recipe.image_size)))
            loss += float(F.cross_entropy(outputs.float(), images.labels[part], reduction="sum"))
            right += int((outputs.argmax(1) == images.labels[part]).sum())
        return loss / len(images), right / len(images)

    def result(self, files: RunDirectory) -> RunResult:
        """Write the final weights, test them and the best ones."""
        files.save_weights("final", plain_state_dict(self.model), self.config.method.bits)
        loss, final = self.evaluate(self.data.test)
        best = final
        if self.best_epoch and self.best_epoch != self.epochs[-1].epoch:
            raw = files.weights("best", self.device)
            state = self.model.state_dict()
            names = dict(zip(state, plain_state_dict(self.model), strict=True))
            self.model.load_state_dict({name: raw[names[name]] for name in state})
            best = self.evaluate(self.data.test)[1]
        blocks, k, rac = self._mosaic()
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
            rac=rac,
            seconds=self.seconds,
        )

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
    return torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
