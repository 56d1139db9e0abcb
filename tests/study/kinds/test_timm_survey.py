"""``survey --zoo timm`` from the command line, with pretrained weights from a hub on the loopback."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save

import complexity_lab as cl
from complexity_lab.tables.directory import read_table
from tests.hub import Fault, Hub

GOOD = (  # eight families
    "edgenext_xx_small.in1k",
    "efficientvit_m0.r224_in1k",
    "mobilenetv3_small_050.lamb_in1k",
    "mobilevit_xxs.cvnets_in1k",
    "regnetx_002.pycls_in1k",
    "starnet_s1.in1k",
    "test_convnext.r160_in1k",
    "test_vit.r160_in1k",
)
MISSING, TRUNCATED, SLOW = "test_resnet.r160_in1k", "test_byobnet.r160_in1k", "test_efficientnet.r160_in1k"


def trained_weights(name):
    """A real architecture with weights that are clearly not its initial ones: signs leaning to one side."""
    torch.manual_seed(1234)
    module = timm.create_model(name, pretrained=False)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * parameter.std() if parameter.numel() > 1 else 0.0)
    return module


def survey(out, models, *options, environment):
    arguments = ["survey", "--zoo", "timm", *(text for name in models for text in ("--model", name)), *options]
    return subprocess.run(
        [sys.executable, "-m", "complexity_lab", *arguments, "--out", str(out)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=400,
    )


def using(hub, tmp_path):
    return {**hub.environment(tmp_path / "home"), "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5"}


@pytest.fixture(scope="module")
def published():
    """The loopback hub: eight good models, one missing, one truncated, one that answers slowly but in the end."""
    with Hub() as hub:
        modules = {name: trained_weights(name) for name in (*GOOD, TRUNCATED, SLOW)}
        faults = {TRUNCATED: Fault(cut=0.5), SLOW: Fault(silence=1.5)}
        for name, module in modules.items():
            files = {"model.safetensors": save(module.state_dict())}
            hub.add(f"timm/{name}", files, faults.get(name, Fault()))
        yield hub, modules


@pytest.mark.parametrize("good", [GOOD[-2:], pytest.param(GOOD, marks=pytest.mark.slow)], ids=len)
def test_ok_models_are_measured_and_the_others_are_rows_with_reasons(published, tmp_path, good):
    hub, modules = published
    options = ("--seeds", "2", "--metrics", "bdm,gzip", "--jobs", "2")
    done = survey(tmp_path / "out", (*good, MISSING, TRUNCATED, SLOW), *options, environment=using(hub, tmp_path))
    assert done.returncode == 3, done.stderr
    assert f"{len(good) + 1} ok, 2 failed" in done.stdout
    models = read_table(tmp_path / "out", "models").set_index("model")
    ok = models[models["status"] == "ok"]
    assert set(ok.index) == {*good, SLOW}
    assert ok["family"].nunique() >= len(good)
    assert (ok["revision"].str.len() == 40).all(), "the commit of the hub"
    for name in (MISSING, TRUNCATED):
        assert name in models.loc[name, "error"]
        assert models.loc[name, "error"].count("\n") == 0
        assert f"failed: {name}" in done.stdout
    assert models.loc[TRUNCATED, "error_type"] in ("WeightsError", "UnreachableError")
    check_numbers(tmp_path / "out", {name: modules[name] for name in good[-3:]})
    assert (tmp_path / "out" / "report.html").exists()


def check_numbers(out, modules):
    """The tables hold what the estimators say of the very modules that were published."""
    measured = read_table(out, "measurements").query("scope == 'model' and metric == 'bdm' and status == 'ok'")
    rows = measured[measured["null"].isna()]
    found = rows.set_index(["model", "state", "seed"])["value"]
    for name, module in modules.items():
        stream = torch.cat([p.detach().flatten() for p in module.parameters() if p.requires_grad])
        trained = rows.query("model == @name and state == 'trained'")["value"].item()
        assert trained == cl.bdm(cl.binarize(stream))
        torch.manual_seed(1)
        fresh = timm.create_model(name, pretrained=False)
        stream = torch.cat([p.detach().flatten() for p in fresh.parameters() if p.requires_grad])
        assert found[name, "initial", 1] == cl.bdm(cl.binarize(stream))
        assert trained < found[name, "initial", 1]
    assert pd.notna(found).all()


def test_initial_states_need_no_hub(tmp_path):
    with Hub() as hub:  # empty: every request would fail
        options = ("--states", "initial", "--no-report")
        done = survey(tmp_path / "out", (MISSING, SLOW), *options, environment=using(hub, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "2 ok, 0 failed" in done.stdout


def test_a_local_directory_replaces_the_hub(published, tmp_path):
    _, modules = published
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in GOOD[-2:]:
        (folder / f"{name}.safetensors").write_bytes(save(modules[name].state_dict()))
    options = ("--weights", str(folder), "--seeds", "1", "--no-report")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = survey(tmp_path / "out", (*GOOD[-2:], MISSING), *options, environment=offline)
    assert done.returncode == 3, done.stderr
    assert "2 ok, 1 failed" in done.stdout
