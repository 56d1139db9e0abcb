"""Checkpoints in revisions of a hub repository: listed, fetched once, refused, missing, silent; a row for each."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from complexity_lab.tables.steps import read_steps
from complexity_lab.trajectory.probe import StepProbe
from complexity_lab.trajectory.revisions import in_revisions
from complexity_lab.trajectory.series import find_series, run_series
from tests.hub import BROKEN, GATED, Fault, attach
from tests.trajectory.checkpoints import content, weights, write
from tests.trajectory.revisions import RevisionHub

NAME = "owner/pythia"
PROBE = StepProbe(("bdm",))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with RevisionHub() as running:
        running.attach(monkeypatch, tmp_path / "cache")
        for step in (0, 1, 512):
            running.publish(NAME, f"step{step}", {"model.safetensors": content(step), "config.json": b"{}"})
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """The hub's library and ours pause between tries; a hundredth of it shows the same."""
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(seconds / 100))


def values(out):
    steps = read_steps(out, "steps")
    return steps.loc[steps["metric"] == "bdm"].set_index("step")["value"].to_dict()


def test_a_pattern_stands_for_the_branches(hub):
    assert [(each.step, each.revision) for each in in_revisions(NAME, ["step*"])] == [
        (0, "step0"),
        (1, "step1"),
        (512, "step512"),
    ]
    assert [each.step for each in in_revisions(NAME, ["step51?", "step0"])] == [0, 512]
    with pytest.raises(UnknownNameError, match=r"no branch or tag that fits 'stp\*'"):
        in_revisions(NAME, ["stp*"])
    with pytest.raises(InputError, match="revision 'main' of owner/pythia has no step in its name"):
        in_revisions(NAME, ["*"])
    with pytest.raises(InputError, match="both of step 1"):
        in_revisions(NAME, ["step1", "step-1"])
    with pytest.raises(UnknownNameError, match="the hub has no repository owner/none"):
        in_revisions("owner/none", ["step*"])
    with pytest.raises(UnknownNameError, match="no directory and no hub repository"):
        in_revisions("what is this", ["step*"])


def test_revisions_are_measured_as_files_are(hub, tmp_path):
    series = find_series(NAME, revisions=("step*",))
    result = run_series(series, PROBE, tmp_path / "out")
    assert (result.ok, result.exit_code) == (3, 0)
    folder = write(tmp_path / "files", [0, 1, 512])
    run_series(find_series(str(folder)), PROBE, tmp_path / "same")
    assert values(tmp_path / "out") == values(tmp_path / "same")
    steps = read_steps(tmp_path / "out", "steps")
    assert set(steps["source"]) == {f"{NAME}@step{step}" for step in (0, 1, 512)}
    gets = [repository.requests.count("GET model.safetensors") for repository in hub.repositories.values()]
    assert gets == [1, 1, 1]
    assert not any("config" in request for each in hub.repositories.values() for request in each.requests)


def test_downloads_may_be_discarded(hub, tmp_path):
    series = find_series(NAME, revisions=("step0", "step1"), keep_downloads=False)
    assert run_series(series, PROBE, tmp_path / "out").ok == 2
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_what_is_in_the_cache_needs_no_hub(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    run_series(find_series(NAME, revisions=("step0", "step512")), PROBE, tmp_path / "out")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    series = find_series(NAME, revisions=("step*",))
    assert [checkpoint.step for checkpoint in series.checkpoints] == [0, 512]
    assert run_series(series, PROBE, tmp_path / "again").ok == 2
    result = run_series(find_series(NAME, revisions=("step0", "step1")), PROBE, tmp_path / "more")
    assert (result.ok, list(result.failed)) == (1, [1])
    assert "HF_HUB_OFFLINE" in result.failed[1]


def test_shards_and_torch_files(hub, tmp_path):
    """Safetensors are taken where there are some."""
    import io

    from safetensors.numpy import save

    parts = {
        f"model-0000{place}-of-00002.safetensors": save({name: weights(3)[name] for name in names})
        for place, names in ((1, ("fc.bias", "fc.weight")), (2, ("head.weight",)))
    }
    hub.publish(NAME, "step3", parts)
    buffer = io.BytesIO()
    torch.save({name: torch.from_numpy(tensor) for name, tensor in weights(4).items()}, buffer)
    hub.publish(NAME, "step4", {"pytorch_model.bin": buffer.getvalue(), "optimizer.bin": b"x"})
    hub.publish(NAME, "step5", {"README.md": b"x"})
    series = find_series(NAME, revisions=("step0", "step3", "step4", "step5"))
    result = run_series(series, PROBE, tmp_path / "out")
    assert result.ok == 3
    assert "owner/pythia@step5 holds no *.safetensors" in result.failed[5]
    found = values(tmp_path / "out")
    folder = write(tmp_path / "files", [0, 3, 4])
    run_series(find_series(str(folder)), PROBE, tmp_path / "same")
    assert {step: found[step] for step in (0, 3, 4)} == values(tmp_path / "same")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (GATED, "is gated"),
        (BROKEN, "cannot be fetched"),
        (Fault(cut=0.5), "cannot be fetched"),
        (Fault(silence=30.0), "cannot be fetched"),
    ],
)
def test_a_revision_that_is_not_served_is_a_row(hub, tmp_path, fault, words):
    hub.publish(NAME, "step9", {"model.safetensors": content(9)}, fault)
    series = find_series(NAME, revisions=("step0", "step7", "step9"), timeout=2.0)
    started = time.monotonic()
    result = run_series(series, PROBE, tmp_path / "out")
    assert time.monotonic() - started < 30
    assert (result.ok, result.exit_code) == (1, 3)
    assert result.failed[7] == "owner/pythia has no revision step7"
    assert words in result.failed[9]
    hub.publish(NAME, "step9", {"model.safetensors": content(9)})
    again = run_series(series, PROBE, tmp_path / "out", retry_failed=True)
    assert list(again.failed) == [7]
    assert np.isfinite(values(tmp_path / "out")[9])


def test_no_hub_at_all(monkeypatch, tmp_path):
    attach(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(UnreachableError, match="owner/x cannot be fetched"):
        find_series("owner/x", revisions=("step*",), timeout=2.0)


@pytest.mark.slow
def test_the_command_line_reads_a_hub(hub, tmp_path):
    command = ["series", NAME, "--revisions", "step*", "--out", "out", "--jobs", "1", "--no-figures"]
    environment = {**hub.environment(tmp_path / "home"), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "complexity_lab", *command],
        cwd=tmp_path,
        env={**os.environ, **environment, "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "3 ok, 0 failed" in done.stdout
    assert "512" in Path(tmp_path / "out" / "series.md").read_text()
