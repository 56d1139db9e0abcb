"""timm weights through a hub: fetched, cached, refused, cut, silent or slow; a failure is one clear error in time."""

import json
import logging
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save

from complexity_lab.errors import ComplexityLabError, OutputError, UnreachableError, WeightsError
from complexity_lab.weights.source import SkippedTensor
from complexity_lab.zoo.from_timm import TimmZoo
from tests.hub import BROKEN, COMMIT, GATED, Fault, Hub, attach

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

MODEL = "test_efficientnet.r160_in1k"
REPOSITORY = f"timm/{MODEL}"


@pytest.fixture(scope="module")
def module():
    """A model whose random weights stand for pretrained ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        return timm.create_model(MODEL)


@pytest.fixture(scope="module")
def content(module):
    return save({name: tensor.clone() for name, tensor in module.state_dict().items()})


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as running:
        running.attach(monkeypatch, tmp_path)
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch, request):
    """The hub's library and ours pause between tries; a hundredth of it shows the same."""
    if "slow" not in request.keywords:
        pause = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: pause(seconds / 100))


def trained(timeout=2.0, model=MODEL):
    zoo = TimmZoo(timeout=timeout)
    opened = zoo.open(zoo.card(model))
    return opened, {tensor.name: tensor.values for tensor in opened.trained(None).tensors()}


def failure(kind, timeout=2.0, model=MODEL):
    """The message of the error that loading raises: one sentence, which names the model."""
    with pytest.raises(kind) as caught:
        trained(timeout, model)
    message = str(caught.value)
    assert model in message
    assert "\n" not in message
    assert len(message) < 500
    return message


def assert_equal(found, module):
    wanted = dict(module.named_parameters())
    assert found.keys() == wanted.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name].detach().numpy())


def test_weights_come_from_the_hub_with_their_commit(hub, module, content):
    hub.add(REPOSITORY, {"model.safetensors": content})
    opened, found = trained()
    assert_equal(found, module)
    assert opened.facts().revision == COMMIT


def test_a_pickled_checkpoint_is_found_where_there_is_no_safetensors(hub, module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "weights")
    hub.add(REPOSITORY, {"pytorch_model.bin": (tmp_path / "weights").read_bytes()})
    opened, found = trained()
    assert_equal(found, module)
    assert opened.facts().revision == COMMIT


def test_cached_weights_need_no_hub(hub, module, content, monkeypatch, tmp_path):
    hub.add(REPOSITORY, {"model.safetensors": content})
    trained()
    attach(monkeypatch, refused(), tmp_path)
    opened, found = trained()
    assert_equal(found, module)
    assert opened.facts().revision == COMMIT


def test_cached_weights_are_used_offline(hub, module, content, monkeypatch):
    from huggingface_hub import constants

    repository = hub.add(REPOSITORY, {"model.safetensors": content})
    trained()
    asked = len(repository.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_equal(trained()[1], module)
    assert len(repository.requests) == asked


def test_offline_and_not_cached(hub, content, monkeypatch):
    from huggingface_hub import constants

    hub.add(REPOSITORY, {"model.safetensors": content})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = failure(WeightsError)
    assert "HF_HUB_OFFLINE" in message
    assert f"{MODEL}.safetensors" in message


def refused():
    """An address at which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("address", [refused, lambda: "http://no-such-host.invalid"], ids=["refused", "unknown"])
def test_no_hub(monkeypatch, tmp_path, address):
    url = address()
    attach(monkeypatch, url, tmp_path)
    started = time.monotonic()
    assert "HF_ENDPOINT" in failure(UnreachableError)
    assert time.monotonic() - started < 4


def test_a_hub_that_accepts_and_never_answers(monkeypatch, tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        attach(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}", tmp_path)
        started = time.monotonic()
        assert "timed out" in failure(UnreachableError, timeout=0.9)
        assert time.monotonic() - started < 3


def test_a_server_that_is_no_hub(hub, content, monkeypatch):
    repository = hub.add(REPOSITORY, {"model.safetensors": content})
    repository.commit = ""
    monkeypatch.setattr("tests.hub.BaseHTTPRequestHandler.send_header", without("X-Repo-Commit"))
    assert "X-Repo-Commit" in failure(UnreachableError)


def without(left_out):
    from http.server import BaseHTTPRequestHandler

    send = BaseHTTPRequestHandler.send_header

    def send_header(self, keyword, value):
        if keyword != left_out:
            send(self, keyword, value)

    return send_header


def test_no_such_repository(hub):
    assert f"no repository {REPOSITORY}" in failure(WeightsError)


def test_a_repository_without_weights(hub):
    hub.add(REPOSITORY, {"README.md": b"soon"})
    assert "no file of weights" in failure(WeightsError)


def test_gated_weights(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, GATED)
    assert "gated" in failure(WeightsError)


def test_unauthorized(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(status=401))
    failure(WeightsError)


@pytest.mark.parametrize("status", [500, 503])
def test_a_broken_hub(hub, content, status):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(status=status))
    started = time.monotonic()
    assert str(status) in failure(UnreachableError)
    assert time.monotonic() - started < 4


def test_a_hub_that_recovers(hub, module, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(status=BROKEN.status, times=1))
    assert_equal(trained()[1], module)


def test_a_connection_that_breaks_once(hub, module, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(cut=0.5, times=3))
    assert_equal(trained(timeout=10)[1], module)


def test_a_connection_that_always_breaks(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(cut=0.5))
    started = time.monotonic()
    assert "closed connection" in failure(UnreachableError)
    assert time.monotonic() - started < 4


def test_a_file_that_is_shorter_than_announced(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(announce=1000))
    assert "truncated" in failure(WeightsError)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file(hub, content, share):
    hub.add(REPOSITORY, {"model.safetensors": content[: int(share * len(content))]})
    message = failure(WeightsError)
    assert "truncated" in message
    assert "delete" in message


def test_a_corrupt_file(hub):
    hub.add(REPOSITORY, {"model.safetensors": b"<!DOCTYPE html>" * 100})
    assert "corrupt" in failure(WeightsError)


def test_weights_of_another_architecture(hub):
    other = timm.create_model("test_resnet")
    hub.add(REPOSITORY, {"model.safetensors": save(dict(other.state_dict()))})
    message = failure(WeightsError)
    assert "another architecture" in message
    assert "missing" in message
    assert "unexpected" in message


def test_a_slow_hub_is_waited_for(hub, module, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(delay=0.003, silence=0.2))
    assert_equal(trained()[1], module)


def test_a_hub_that_stalls_is_given_up(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(delay=30))
    started = time.monotonic()
    assert "timed out" in failure(UnreachableError, timeout=0.6)
    assert time.monotonic() - started < 4


@pytest.mark.slow
def test_a_hub_that_stalls_is_given_up_with_real_pauses(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(delay=30))
    started = time.monotonic()
    failure(UnreachableError, timeout=3)
    assert time.monotonic() - started < 12  # 3 seconds of silence, five pauses of one second


def test_a_hub_that_trickles_is_given_up(hub, content, monkeypatch):
    monkeypatch.setattr("tests.hub.CHUNK", 100)
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(delay=0.1))
    started = time.monotonic()
    assert "bytes in" in failure(UnreachableError, timeout=1)
    assert time.monotonic() - started < 5


def test_the_wait_of_one_request_can_be_set_for_the_hub_alone(hub, module, content, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "5")
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "5")
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 5)
    hub.add(REPOSITORY, {"model.safetensors": content}, Fault(silence=0.3))
    assert_equal(trained(timeout=0.2)[1], module)


def test_a_full_or_forbidden_cache(hub, content, monkeypatch, tmp_path):
    from huggingface_hub import constants

    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    hub.add(REPOSITORY, {"model.safetensors": content})
    failure(OutputError)


def test_a_failed_load_leaves_no_mixture_behind(hub, module, content):
    repository = hub.add(REPOSITORY, {"model.safetensors": content[:-10]})
    zoo = TimmZoo(timeout=2)
    opened = zoo.open(zoo.card(MODEL))
    initial = opened.initial(5)
    first = {tensor.name: tensor.values.copy() for tensor in initial.tensors()}
    with pytest.raises(WeightsError):
        opened.trained(None)
    assert all(isinstance(tensor, SkippedTensor) for tensor in initial.tensors())
    again = {tensor.name: tensor.values for tensor in opened.initial(5).tensors()}
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert repository.requests


def test_the_hub_session_loggers_and_bars_are_as_before(hub, content, capfd):
    from huggingface_hub import get_session
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled

    def state():
        levels = [logging.getLogger(name).level for name in ("timm", "huggingface_hub")]
        hooks = {kind: list(hooks) for kind, hooks in get_session().event_hooks.items()}
        return levels, hooks, are_progress_bars_disabled(), socket.getdefaulttimeout()

    before = state()
    hub.add(REPOSITORY, {"model.safetensors": content})
    trained()
    hub.repositories.clear()
    failure_or_cache = pytest.raises(ComplexityLabError)
    with failure_or_cache:
        trained(model="test_resnet.r160_in1k")
    assert state() == before
    assert capfd.readouterr() == ("", "")


def test_warnings_of_the_caller_stay_errors(hub, content):
    hub.add(REPOSITORY, {"model.safetensors": content})
    trained()
    with pytest.raises(UserWarning, match="still here"):
        warnings.warn("still here", stacklevel=1)


PROGRAM = """
import json, sys
from complexity_lab.zoo.from_timm import TimmZoo
zoo = TimmZoo(timeout=10)
model = zoo.open(zoo.card(sys.argv[1]))
sums = {name: float(t.values.astype("float64").sum()) for t in model.trained(None).tensors() for name in [t.name]}
print(json.dumps({"sums": sums, "revision": model.facts().revision}))
"""


@pytest.mark.slow
def test_a_program_of_its_own_finds_the_hub_through_the_environment(module, content, tmp_path):
    with Hub() as hub:
        hub.add(REPOSITORY, {"model.safetensors": content})
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, MODEL],
            env=hub.environment(tmp_path),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(done.stdout)
    assert told["revision"] == COMMIT
    for name, parameter in module.named_parameters():
        assert told["sums"][name] == pytest.approx(float(parameter.detach().double().sum()), rel=1e-9)
