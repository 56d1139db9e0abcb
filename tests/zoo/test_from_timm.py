"""timm's models: initial weights are those of a fresh build, trained ones are those of the file, or it is an error."""

import importlib
import pickle
import socket
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import save, save_file

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, WeightsError
from complexity_lab.weights.source import SkippedTensor
from complexity_lab.zoo import from_timm
from complexity_lab.zoo.card import Zoo
from complexity_lab.zoo.catalogue import read
from complexity_lab.zoo.from_timm import TimmZoo
from tests.hub import Hub

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

SMALL = (
    "resnet10t.c3_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "mobilenetv3_small_050.lamb_in1k",
    "convnext_atto.d2_in1k",
    "edgenext_xx_small.in1k",
    "regnetx_002.pycls_in1k",
    "levit_128s.fb_dist_in1k",
    "tf_efficientnet_lite0.in1k",
    "ghostnet_100.in1k",
    "test_nfnet.r160_in1k",
)
MODEL = "test_vit.r160_in1k"


def fresh(model_id, seed):
    """A build of timm's own with a given seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(model_id)


def parameters(module):
    return {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}


def values(source):
    return {tensor.name: tensor.values.copy() for tensor in source.tensors()}


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name])


def stored(directory, model_id, name=None, left_out=(), **changed):
    """Save a randomly initialized model as if it had been trained; return its parameters."""
    module = fresh(model_id, seed=99)
    state = {key: value.clone() for key, value in module.state_dict().items() if key not in left_out}
    save_file({**state, **changed}, directory / f"{name or model_id}.safetensors")
    return parameters(module)


def opened(model_id, directory=None):
    zoo = TimmZoo(directory)
    return zoo.open(zoo.card(model_id))


def failure(model_id, directory):
    """The message of the error that loading raises: one sentence."""
    with pytest.raises(WeightsError) as caught:
        opened(model_id, directory).trained(None)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize("model_id", SMALL)
def test_initial_then_trained(model_id, tmp_path):
    wanted = stored(tmp_path, model_id)
    model = opened(model_id, tmp_path)
    assert_equal(values(model.initial(3)), parameters(fresh(model_id, 3)))
    assert_equal(values(model.trained(None)), wanted)
    assert_equal(values(model.initial(4)), parameters(fresh(model_id, 4)))


@pytest.mark.slow
def test_initial_weights_of_every_family():
    smallest = {}
    for card in sorted(read().cards, key=lambda card: -card.parameters):
        smallest[card.family] = card
    light = [card for card in smallest.values() if card.parameters < 60_000_000]
    assert len(light) > 80
    for card in light:
        model = opened(card.id)
        assert_equal(values(model.initial(1)), parameters(fresh(card.id, 1)))


def test_the_zoo_is_one_and_can_be_sent_to_workers(tmp_path):
    zoo = TimmZoo(tmp_path, timeout=5)
    assert isinstance(zoo, Zoo)
    assert zoo.name == "timm"
    assert pickle.loads(pickle.dumps(zoo)) == zoo
    with pytest.raises(AttributeError):
        zoo.timeout = 1


def test_the_callers_generators_are_left_alone(tmp_path):
    stored(tmp_path, MODEL)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = opened(MODEL, tmp_path)
    model.initial(0)
    model.trained(None)
    model.initial(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_differ_and_repeat():
    model = opened(MODEL)
    first, second, again = (values(model.initial(seed)) for seed in (0, 1, 0))
    assert_equal(first, again)
    assert not np.array_equal(first["blocks.0.attn.qkv.weight"], second["blocks.0.attn.qkv.weight"])


def test_trained_weights_fill_the_module_that_was_initialized(tmp_path, monkeypatch):
    stored(tmp_path, MODEL)
    builds = []
    build = from_timm.build
    monkeypatch.setattr(from_timm, "build", lambda *given, **named: builds.append(given) or build(*given, **named))
    model = opened(MODEL, tmp_path)
    initial = model.initial(0)
    trained = model.trained(None)
    assert trained.module is initial.module
    assert len(builds) == 1


def test_trained_weights_alone(tmp_path):
    wanted = stored(tmp_path, MODEL)
    assert_equal(values(opened(MODEL, tmp_path).trained(None)), wanted)


def test_one_module_at_a_time():
    model = opened(MODEL)
    first = model.initial(0)
    model.initial(1)
    assert not any(parameter.numel() for parameter in first.module.parameters())
    assert all(isinstance(tensor, SkippedTensor) for tensor in first.tensors())


def test_a_file_named_after_the_architecture(tmp_path):
    wanted = stored(tmp_path, MODEL, name="test_vit")
    assert_equal(values(opened(MODEL, tmp_path).trained(None)), wanted)


def test_the_revision_is_the_files_checksum(tmp_path):
    stored(tmp_path, MODEL)
    model = opened(MODEL, tmp_path)
    assert model.facts().revision == ""
    model.trained(None)
    content = (tmp_path / f"{MODEL}.safetensors").read_bytes()
    assert model.facts().revision == f"crc32:{zlib.crc32(content):08x}, {len(content)} bytes"


def test_labels_name_the_model_and_its_state(tmp_path):
    stored(tmp_path, MODEL)
    model = opened(MODEL, tmp_path)
    assert model.initial(7).label == f"{MODEL} initialized with seed 7"
    assert model.trained(None).label == f"{MODEL} with pretrained weights"


def test_parameters_that_a_headless_model_was_not_trained_with_are_skipped(tmp_path):
    model_id, untrained = "convnextv2_atto.fcmae", {"head.norm.weight", "head.norm.bias"}
    wanted = stored(tmp_path, model_id, left_out=untrained)
    model = opened(model_id, tmp_path)
    assert untrained <= values(model.initial(0)).keys()
    tensors = list(model.trained(None).tensors())
    assert {tensor.name for tensor in tensors if isinstance(tensor, SkippedTensor)} == untrained
    found = {tensor.name: tensor.values for tensor in tensors if not isinstance(tensor, SkippedTensor)}
    assert_equal(found, {name: array for name, array in wanted.items() if name not in untrained})


def test_a_matrix_that_a_lenient_loader_left_out_is_an_error(tmp_path):
    stored(tmp_path, "dla46x_c.in1k", left_out={"level0.0.weight"})
    assert "lack 1 tensor (level0.0.weight)" in failure("dla46x_c.in1k", tmp_path)


def test_a_missing_tensor(tmp_path):
    stored(tmp_path, MODEL, left_out={"norm.weight"})
    assert "missing 1 tensor (norm.weight)" in failure(MODEL, tmp_path)


def test_an_unexpected_tensor(tmp_path):
    stored(tmp_path, MODEL, extra=torch.zeros(3))
    assert "unexpected 1 tensor (extra)" in failure(MODEL, tmp_path)


def test_a_tensor_of_another_shape(tmp_path):
    stored(tmp_path, MODEL, **{"norm.weight": torch.zeros(3)})
    assert "1 of another shape, such as norm.weight with [3] instead of [64]" in failure(MODEL, tmp_path)


@pytest.mark.parametrize("other", ["test_resnet", "test_convnext"])
@pytest.mark.parametrize("model_id", [MODEL, "dla46x_c.in1k", "convnextv2_atto.fcmae", "levit_128s.fb_dist_in1k"])
def test_weights_of_another_architecture(tmp_path, model_id, other):
    stored(tmp_path, other, name=model_id)
    message = failure(model_id, tmp_path)
    assert model_id in message
    assert f"{model_id}.safetensors" in message or "lack" in message


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_a_truncated_file(tmp_path, share):
    content = save(dict(fresh(MODEL, 0).state_dict()))
    (tmp_path / f"{MODEL}.safetensors").write_bytes(content[: int(share * len(content))])
    assert "truncated, corrupt" in failure(MODEL, tmp_path)


def test_a_file_that_is_none(tmp_path):
    (tmp_path / f"{MODEL}.safetensors").mkdir()
    assert "cannot be read" in failure(MODEL, tmp_path)


def test_a_directory_without_the_model(tmp_path):
    assert f"holds no {MODEL}.safetensors" in failure(MODEL, tmp_path)


def test_settings_are_checked_when_made(tmp_path):
    with pytest.raises(InputError, match="not a directory"):
        TimmZoo(tmp_path / "absent")
    with pytest.raises(InputError, match="above 0"):
        TimmZoo(timeout=0)
    with pytest.raises(InputError, match="above 0"):
        TimmZoo(timeout=float("nan"))


def test_an_architecture_without_pretrained_weights(tmp_path):
    model = opened("efficientnet_b6")
    assert model.trained_seeds == ()
    with pytest.raises(WeightsError, match="efficientnet_b6 has no pretrained weights"):
        model.trained(None)
    stored(tmp_path, "dla46_c.in1k")
    card = replace(TimmZoo().card("dla46_c"), source="")
    assert TimmZoo(tmp_path).open(card).trained_seeds == (None,)


def test_seeds_of_timm():
    model = opened(MODEL)
    assert (model.trained_seeds, model.initial_seeds) == ((None,), None)
    with pytest.raises(InputError, match="trained seed 3"):
        model.trained(3)


def test_a_card_that_the_installed_timm_does_not_know():
    card = replace(TimmZoo().card(MODEL), id="test_vit.gone", tag="gone")
    with pytest.raises(UnknownNameError, match="no pretraining tag 'gone'"):
        TimmZoo().open(card)
    with pytest.raises(UnknownNameError, match="test_vit"):
        TimmZoo().open(replace(card, id="test_vitt.gone", architecture="test_vitt"))


def test_a_loader_that_loads_nothing_is_noticed(tmp_path, monkeypatch):
    stored(tmp_path, MODEL)
    builder = importlib.import_module("timm.models._builder")
    monkeypatch.setattr(builder, "load_pretrained", lambda *given, **named: None)
    assert "loaded nothing" in failure(MODEL, tmp_path)


def test_models_that_other_threads_build_are_their_own(tmp_path):
    stored(tmp_path, MODEL)
    overlay = {"file": str(tmp_path / f"{MODEL}.safetensors")}
    target, built = fresh(MODEL, 0), []
    with from_timm._loader_fills(target):
        work = lambda: built.append(timm.create_model(MODEL, pretrained=True, pretrained_cfg_overlay=overlay))  # noqa: E731
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert_equal(parameters(built[0]), parameters(fresh(MODEL, 99)))
    assert_equal(parameters(target), parameters(fresh(MODEL, 0)))


def test_nothing_is_written_to_the_terminal(tmp_path, capfd):
    stored(tmp_path, MODEL)
    opened(MODEL, tmp_path).trained(None)
    stored(tmp_path, MODEL, extra=torch.zeros(3))
    failure(MODEL, tmp_path)
    assert capfd.readouterr() == ("", "")


# Weights that timm takes from a plain web server.
ELSEWHERE = "legacy_seresnet18.in1k"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A card whose weights are at an address, and a way to set what is there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = timm.get_pretrained_cfg(ELSEWHERE)
    registry = importlib.import_module("timm.models._registry")

    def at(url):
        monkeypatch.setitem(registry._model_pretrained_cfgs, ELSEWHERE, replace(config, url=url))
        return TimmZoo(timeout=2).open(replace(TimmZoo().card(ELSEWHERE), source=url))

    return at


def test_weights_at_an_address(elsewhere, tmp_path):
    module = fresh(ELSEWHERE, 99)
    torch.save(module.state_dict(), tmp_path / "content")
    content = (tmp_path / "content").read_bytes()
    with Hub() as server:
        server.add("some/where", {"weights-0000.pth": content})
        model = elsewhere(f"{server.url}/some/where/resolve/main/weights-0000.pth")
        assert_equal(values(model.trained(None)), parameters(module))
    assert model.facts().revision == f"crc32:{zlib.crc32(content):08x}, {len(content)} bytes"


def test_nothing_at_an_address(elsewhere):
    with Hub() as server:
        server.add("some/where", {"other.pth": b"", "broken.pth": b"PK"})
        with pytest.raises(WeightsError, match="404"):
            elsewhere(f"{server.url}/some/where/resolve/main/weights.pth").trained(None)
        with pytest.raises(WeightsError, match=r"corrupt.*delete .*broken\.pth"):
            elsewhere(f"{server.url}/some/where/resolve/main/broken.pth").trained(None)


def test_an_address_that_does_not_answer(elsewhere):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    before = socket.getdefaulttimeout()
    with pytest.raises(UnreachableError, match="refused"):
        elsewhere(f"http://127.0.0.1:{port}/weights.pth").trained(None)
    assert socket.getdefaulttimeout() == before


def test_an_address_is_not_asked_offline(elsewhere, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        elsewhere("http://no-such-host.invalid/weights.pth").trained(None)
