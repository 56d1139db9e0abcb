"""What tests of the command line share: commands run in this process, and small sources of weights."""

import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from complexity_lab.cli.app import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command as the program does; return its exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["complexity-lab", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        captured = capsys.readouterr()
        return done.value.code or 0, captured.out, captured.err

    return command


def save_pairs(folder, names=("a", "b", "c")):
    """Write models before and after a training that makes weights positive; return their directory."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        for state, shift in (("initial", 0), ("trained", 0.5)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            tensors = {"fc.weight": (24, 20), "head.weight": (10, 24), "head.bias": (10,)}
            content = {key: (rng.normal(size=shape) + shift).astype(np.float32) for key, shape in tensors.items()}
            save_file(content, folder / name / f"{state}.safetensors")
    return folder


@pytest.fixture
def pairs(tmp_path):
    """A directory of three models, each before and after training."""
    return save_pairs(tmp_path / "models")
