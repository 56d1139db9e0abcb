"""Checkpoints in revisions of a hub repository: listed, fetched once, refused, missing, silent; a row for each."""

import time

import huggingface_hub.hf_api  # noqa: F401 - its module-wide client has read the endpoint by now
import numpy as np
import pytest
import torch

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from complexity_lab.study.engine import run_study
from complexity_lab.study.kind import RunOptions
from complexity_lab.study.kinds.series import find_series, series_plan
from complexity_lab.tables import columns as c
from complexity_lab.tables.directory import read_table
from complexity_lab.zoo.revisions import in_revisions
from tests.checkpoints import content, weights, write
from tests.hub import BROKEN, GATED, Fault, attach
from tests.revisions import RevisionHub

NAME = "owner/pythia"


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


def measure(out, source=NAME, *, retry_failed=False, timeout=60.0, keep_downloads=True, **choices):
    options = RunOptions(timeout=timeout, keep_downloads=keep_downloads)
    return run_study(series_plan(source, **choices), out, jobs=1, options=options, retry_failed=retry_failed)


def values(out):
    rows = read_table(out, "measurements")
    return rows.loc[(rows[c.METRIC] == "bdm") & rows[c.NULL].isna()].set_index(c.STEP)[c.VALUE].to_dict()


def failures(result):
    """Return the reason by step."""
    return {int(task.rpartition(" ")[2]): reason for task, reason in result.failed.items()}


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
    result = measure(tmp_path / "out", revisions=("step*",))
    assert (result.ok, result.exit_code) == (3, 0)
    measure(tmp_path / "same", write(tmp_path / "files", [0, 1, 512]))
    assert values(tmp_path / "out") == values(tmp_path / "same")
    curves = read_table(tmp_path / "out", "curves")
    assert curves[c.SOURCE].tolist() == [f"{NAME}@step{step}" for step in (0, 1, 512)]
    gets = [repository.requests.count("GET model.safetensors") for repository in hub.repositories.values()]
    assert gets == [1, 1, 1]
    assert not any("config" in request for each in hub.repositories.values() for request in each.requests)


def test_downloads_may_be_discarded(hub, tmp_path):
    assert measure(tmp_path / "out", revisions=("step0", "step1"), keep_downloads=False).ok == 2
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_what_is_in_the_cache_needs_no_hub(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    measure(tmp_path / "out", revisions=("step0", "step512"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    plan = series_plan(NAME, revisions=("step*",))
    assert [checkpoint.step for checkpoint in find_series(plan.spec).checkpoints] == [0, 512]
    assert measure(tmp_path / "again", revisions=("step*",)).ok == 2
    result = measure(tmp_path / "more", revisions=("step0", "step1"))
    assert (result.ok, list(failures(result))) == (1, [1])
    assert "HF_HUB_OFFLINE" in failures(result)[1]


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
    result = measure(tmp_path / "out", revisions=("step0", "step3", "step4", "step5"))
    assert result.ok == 3
    assert "owner/pythia@step5 holds no *.safetensors" in failures(result)[5]
    found = values(tmp_path / "out")
    measure(tmp_path / "same", write(tmp_path / "files", [0, 3, 4]))
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
    asked = {"revisions": ("step0", "step7", "step9"), "timeout": 2.0}
    started = time.monotonic()
    result = measure(tmp_path / "out", **asked)
    assert time.monotonic() - started < 30
    assert (result.ok, result.exit_code) == (1, 3)
    assert failures(result)[7] == "owner/pythia has no revision step7"
    assert words in failures(result)[9]
    hub.publish(NAME, "step9", {"model.safetensors": content(9)})
    again = measure(tmp_path / "out", retry_failed=True, **asked)
    assert list(failures(again)) == [7]
    assert np.isfinite(values(tmp_path / "out")[9])


def test_no_hub_at_all(monkeypatch, tmp_path):
    attach(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(UnreachableError, match="owner/x cannot be fetched"):
        find_series(series_plan("owner/x", revisions=("step*",)).spec, RunOptions(timeout=2.0))
