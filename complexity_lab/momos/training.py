"""Training a network under a method: the run of ``training.run``, with rounding, projections, or both.

A run is decided by its ``RunConfig``; see ``training.run`` for what a directory holds and how a run is resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from complexity_lab.errors import InputError
from complexity_lab.momos.bound import rac
from complexity_lab.momos.method import Method
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.projection import trainable
from complexity_lab.momos.qat import RAW, plain_name, plain_state_dict, quantize_weights
from complexity_lab.momos.runs import RunConfig, RunResult
from complexity_lab.momos.schedule import Projector, attach, refuse_impossible
from complexity_lab.momos.weight_notes import notes_of
from complexity_lab.training.checkpoints import RunDirectory
from complexity_lab.training.datasets import load_dataset
from complexity_lab.training.devices import deterministic, device_of
from complexity_lab.training.records import Outcome
from complexity_lab.training.run import OnEpoch, Probe, Run, Stop, Treatment
from complexity_lab.training.streams import Streams, forked_randomness, seeds_of
from complexity_lab.training.trainer import Trainer


def check(config: RunConfig) -> None:
    """Raise what would keep a run from working, before anything is trained or written: data, network, blocks, device.

    Raises:
        InputError, UnknownNameError, UnreachableError: one sentence each.
    """
    with forked_randomness(device_of(config.device)):
        _prepared(config, None)


def train_run(
    config: RunConfig,
    directory: Path,
    *,
    probe: Probe | None = None,
    on_epoch: OnEpoch | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Train a run in a directory, or go on with it, or return its result if it is finished.

    The directory then holds ``initial.safetensors``, ``best.safetensors``, ``final.safetensors`` and ``result.json``.
    What ``check`` checks is checked first. The caller's random numbers and number of threads stay as they are.

    Args:
        config: what to train.
        directory: of this run alone.
        probe: measures the raw weights before training and after every epoch. The names in its attribute
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
        run, treatment = _prepared(config, probe)
        files.claim(config.as_dict(), metrics)
        outcome = run.train(files, on_epoch, stop)
        result = _result(config, outcome, treatment)
    files.finish(result.as_dict())
    return result


def _prepared(config: RunConfig, probe: Probe | None) -> tuple[Run, MethodTreatment]:
    recipe, device = config.recipe, device_of(config.device)
    if config.precision == "float16" and device.type != "cuda":
        raise InputError("float16 training needs a GPU; use bfloat16 or float32 on this device")
    data = load_dataset(config.dataset, data_dir=config.data_dir, validation=config.validation, device=device)
    network = build_model(
        config.model,
        num_classes=data.classes,
        in_channels=data.channels,
        image_size=recipe.image_size or int(data.training.inputs.shape[-1]),
        seed=config.seed,
    ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # of torch
    quantize_weights(network, config.method.bits, recipe.qat_exclude)
    forward: Callable[[Tensor], Tensor] | None = torch.compile(network) if config.compile else None
    streams = Streams.of_seed(config.seed)
    trainer = Trainer(
        network, data, recipe, streams=streams, forward=forward, precision=config.precision, label=config.key
    )
    treatment = MethodTreatment(config.method, network, trainer.optimizer, streams.treatment)
    return Run(trainer, treatment, dropout=seeds_of(config.seed)["dropout"], probe=probe), treatment


class MethodTreatment(Treatment):
    """A method at work on a network, whose weights are rounded already where it rounds.

    Args:
        method: what is done.
        network: to what.
        optimizer: whose steps projections follow.
        generator: draws motifs.

    Raises:
        InputError: the weights cannot be cut into the method's blocks.
    """

    def __init__(
        self, method: Method, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        self.method, self.network = method, network
        self.projector: Projector | None = None
        if method.has_motifs:
            self.initial_counts = False  # random weights are no mosaic
            momos = method.momos(generator)
            if method.every == "epoch":
                refuse_impossible(momos, network)
                self.projector = Projector(momos)
            else:
                self.projector = attach(momos, network, optimizer, method.every)
        self._noted, self._seconds = 0, 0.0  # projections and their seconds up to the epoch before

    def after_epoch(self, network: nn.Module) -> dict[str, Any]:
        """Project unless the last step did: what is validated and saved is a mosaic. Return what projections did."""
        projector = self.projector
        if projector is None:
            return {}
        if self.method.every == "epoch" or projector.steps % projector.every:
            projector.project(network)
        projections, seconds = projector.projections - self._noted, projector.seconds - self._seconds
        self._noted, self._seconds = projector.projections, projector.seconds
        if projector.last is None or not projections:
            return {}
        names = ("distortion", "num_changed_weights", "used_motifs", "distinct_motifs")
        done = {name: getattr(projector.last, name) for name in names}
        return done | {"projections": projections, "seconds_projection": seconds}

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the exact weights by plain names."""
        return plain_state_dict(network)

    def notes(self, network: nn.Module) -> dict[str, str]:
        """Return what a file of weights says of the method."""
        return notes_of(self.method, [plain_name(key) for key in network.state_dict() if key.endswith(RAW)])

    def state_dict(self) -> dict[str, Any] | None:
        """Return counts and the state of the generator."""
        return None if self.projector is None else dict(self.projector.state_dict())

    def load_state_dict(self, state: Any) -> None:
        """Go on where ``state_dict`` was taken."""
        if self.projector is not None:
            self.projector.load_state_dict(state)
            self._noted, self._seconds = self.projector.projections, self.projector.seconds

    def mosaic(self) -> dict[str, Any]:
        """Return blocks, motifs and relative algorithmic compression: of the mosaic, or of fewer bits."""
        if self.projector is None:
            return {"blocks": None, "k": None, "rac": 32 / self.method.bits}
        momos = self.projector.momos
        layout = momos.layout(trainable(self.network)[1])
        k = momos.motifs_for(layout)
        compression = rac(n=layout.values, s=layout.s, k=k, q=momos.q, m=layout.blocks)
        return {"blocks": layout.blocks, "k": k, "rac": compression}


def _result(config: RunConfig, outcome: Outcome, treatment: MethodTreatment) -> RunResult:
    told = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    return RunResult(config=config, **told, **treatment.mosaic())
