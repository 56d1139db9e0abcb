"""The directory of one training run: weights, checkpoint and result, every file there as a whole or not at all."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from complexity_lab.errors import InputError, PlanMismatchError, WeightsError
from complexity_lab.files import write_atomically, writing

CONFIG, CHECKPOINT, RESULT = "config.json", "checkpoint.pt", "result.json"
METRICS = "metrics"  # key in config.json


@dataclass(frozen=True)
class RunDirectory:
    """Reads and writes one run directory.

    ``config.json`` says which run it holds, ``checkpoint.pt`` is replaced after every epoch and removed at the end,
    ``result.json`` is written last: its presence means that the run is finished.
    """

    path: Path

    def claim(self, config: Mapping[str, Any], metrics: Sequence[str] = ()) -> None:
        """Create the directory for a run, or check that it holds the same one.

        Args:
            config: what decides the weights.
            metrics: what is measured at every epoch; kept in ``config.json`` too, though it decides nothing.

        Raises:
            PlanMismatchError: it holds another run; the message shows the difference.
            OutputError: it cannot be written.
        """
        self.refuse_other(config, metrics)
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / CONFIG, json.dumps({**config, METRICS: list(metrics)}, indent=1).encode())

    def refuse_other(self, config: Mapping[str, Any], metrics: Sequence[str] = ()) -> None:
        """Raise ``PlanMismatchError`` if the directory holds another run; an empty or missing one holds none.

        A run that watches other metrics is refused too: they would be missing from some of its epochs.
        """
        if not (self.path / CONFIG).exists():
            return
        found = self._json(CONFIG)
        measured = found.pop(METRICS, None)  # directories of earlier versions do not say
        differences = [
            f"{key}: there {found.get(key)}, now {config.get(key)}"
            for key in sorted({*found, *config})
            if found.get(key) != config.get(key)
        ]
        if differences:
            raise PlanMismatchError(
                f"{self.path} holds another run ({'; '.join(differences)[:400]}); name a new directory"
            )
        if measured is not None and set(measured) != set(metrics):
            there, now = (", ".join(names) or "nothing" for names in (measured, metrics))
            raise PlanMismatchError(
                f"{self.path} holds a run that measures {there}, and now {now} is to be measured; "
                "ask for the same metrics, or name a new directory"
            )

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{self.path / name} is damaged ({error}); remove the directory and train again") from None
        return found

    def result(self) -> dict[str, Any] | None:
        """Return what ``finish`` stored, or None while the run is not finished."""
        return self._json(RESULT) if (self.path / RESULT).exists() else None

    def finish(self, result: Mapping[str, Any]) -> None:
        """Store the result; the checkpoint is not needed any more."""
        with writing(self.path):
            write_atomically(self.path / RESULT, json.dumps(result, indent=1).encode())
            (self.path / CHECKPOINT).unlink(missing_ok=True)

    def checkpoint(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state that ``save_checkpoint`` stored last, or None.

        Raises:
            WeightsError: the file is damaged.
        """
        path = self.path / CHECKPOINT
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # noqa: BLE001 - torch raises many kinds for a damaged file
            reason = str(error).partition("\n")[0][:150]
            raise WeightsError(f"{path} is damaged ({reason}); remove it to train from the beginning") from None
        return state

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint: tensors and plain values only, nothing that would have to be unpickled."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        with writing(self.path):
            write_atomically(self.path / CHECKPOINT, buffer.getbuffer())

    def save_weights(self, name: str, state: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
        """Write NAME.safetensors with notes as its metadata."""
        from safetensors.torch import save

        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
        with writing(self.path):
            write_atomically(self.path / f"{name}.safetensors", save(tensors, metadata=dict(notes)))

    def weights(self, name: str, device: torch.device) -> dict[str, Tensor]:
        """Read NAME.safetensors."""
        from safetensors.torch import load_file

        return load_file(self.path / f"{name}.safetensors", device=str(device))
