"""What a configuration beside weights tells of the order of a model, and that one network has one number."""

import json
import sys
import types

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from complexity_lab.binary.counting import StreamCounter
from complexity_lab.errors import InputError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.weights.source import NamedTensor
from complexity_lab.zoo.architecture import names_beside
from complexity_lab.zoo.from_checkpoints import CheckpointZoo
from complexity_lab.zoo.registry import open_zoo
from complexity_lab.zoo.sources import INDEX, resolve
from tests.revisions import RevisionHub

VIT = {"architecture": "test_vit", "num_classes": 5, "model_args": {"depth": 12, "embed_dim": 24, "num_heads": 2}}
SHARDS = 3


def described(folder, config):
    folder.mkdir(exist_ok=True, parents=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text)
    return folder


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mixed = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)


class Plain(nn.Module):
    """Twelve blocks whose names are in natural order; sizes such that blocks of 12 bits straddle tensors."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(5, 7)
        self.blocks = nn.ModuleList(Block(7) for _ in range(12))
        self.norm = nn.LayerNorm(7)
        self.head = nn.Linear(7, 3)


def networks():
    torch.manual_seed(0)
    yield Plain(), None
    yield timm.create_model("test_vit", num_classes=5, **VIT["model_args"]), VIT


def save_everywhere(module, config, folder):
    """Save a network as a torch file, a safetensors file and shards; return the places by their kind."""
    state = {name: values.clone() for name, values in module.state_dict().items()}
    places = {kind: folder / kind for kind in ("torch", "file", "shards")}
    for place in places.values():
        place.mkdir()
        if config is not None:
            described(place, config)
    torch.save(state, places["torch"] / "w.pt")
    save_file(state, places["file"] / "w.safetensors")
    named = {f"model-{part + 1:05}-of-{SHARDS:05}.safetensors": list(state)[part::SHARDS] for part in range(SHARDS)}
    for name, own in named.items():
        save_file({tensor: state[tensor] for tensor in own}, places["shards"] / name)
    weight_map = {tensor: name for name, own in named.items() for tensor in own}
    (places["shards"] / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    return places


def bdm(source, order="model"):
    """BDM of the whole stream, in bits."""
    counter = StreamCounter()
    for tensor in resolve(source, order=order).tensors():
        if isinstance(tensor, NamedTensor):
            counter.add(tensor.values)
    return bdm_of(counter.result())


@pytest.mark.parametrize("number", range(2), ids=["natural names", "timm architecture"])
def test_one_network_has_one_number_as_a_module_and_in_every_file(number, tmp_path):
    module, config = list(networks())[number]
    module.load_state_dict(
        {name: values + 0.02 * torch.rand_like(values) for name, values in module.state_dict().items()}
    )
    places = save_everywhere(module, config, tmp_path)
    own = bdm(module)
    assert {kind: bdm(place) for kind, place in places.items()} == dict.fromkeys(places, own)
    assert bdm(places["file"] / "w.safetensors") == bdm(places["torch"] / "w.pt") == bdm(module.state_dict()) == own
    rules = {kind: resolve(place).order_rule for kind, place in places.items()}
    told = "natural" if config is None else "model"
    assert rules == {"torch": "model", "file": told, "shards": told}
    assert resolve(module).order_rule == resolve(module.state_dict()).order_rule == "model"
    assert bdm(places["file"], order="file") != own  # or the network could not tell the orders apart


def test_orders_that_are_asked_for(tmp_path):
    module, config = list(networks())[1]
    places = save_everywhere(module, config, tmp_path)
    assert len({bdm(place, order="natural") for place in (*places.values(), module, module.state_dict())}) == 1
    assert {resolve(place, order="natural").order_rule for place in (*places.values(), module)} == {"natural"}
    assert {resolve(place, order="file").order_rule for place in places.values()} == {"file"}
    assert resolve(module, order="file").order_rule == "model"
    assert resolve("digits:mlp_12", "initial", order="natural").order_rule == "natural"
    with pytest.raises(InputError, match="order 'sorted', wanted"):
        resolve(module, order="sorted")


@pytest.fixture
def vit(tmp_path):
    return described(tmp_path / "vit", VIT)


def test_the_architecture_is_built_on_the_meta_device(vit, monkeypatch):
    built, create = [], timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *args, **options: built.append(create(*args, **options)) or built[-1]
    )
    before = torch.get_rng_state()
    found = names_beside(vit)
    assert all(values.is_meta for values in built[0].state_dict().values())
    assert torch.equal(before, torch.get_rng_state())
    assert found == tuple(create("test_vit", num_classes=5, **VIT["model_args"]).state_dict())


@pytest.mark.parametrize(
    "config",
    [
        *("{", "[]", '"text"', "{}"),
        {"architecture": 3},
        {"architecture": "no_such_network"},
        {"architecture": "test_vit", "model_args": {"no_such_option": 1}},
        {"architectures": ["BertModel"]},
        {"architectures": [], "model_type": "bert"},
    ],
)
def test_configurations_that_tell_nothing(config, tmp_path):
    folder = described(tmp_path / "m", config)
    assert names_beside(folder) == ()
    save_file({"b.10": torch.ones(2), "b.9": torch.ones(2)}, folder / "w.safetensors")
    source = resolve(folder)
    assert [tensor.name for tensor in source.tensors()] == ["b.9", "b.10"]
    assert source.order_rule == "natural"


def test_a_configuration_of_another_model_tells_nothing(vit):
    save_file({"b.10": torch.ones(2), "b.9": torch.ones(2)}, vit / "w.safetensors")
    assert resolve(vit).order_rule == "natural"


class Settings:
    @classmethod
    def from_dict(cls, settings):
        found = cls()
        found.width = settings["width"]
        return found


class Backwards(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.zeta = nn.Linear(settings.width, 2)
        self.alpha = nn.Linear(2, 2)


def test_models_of_transformers_where_it_is_installed(tmp_path, monkeypatch):
    """A stand-in with the two names that are used: the table of configurations by type, and the class of the model."""
    folder = described(tmp_path / "m", {"architectures": ["Backwards"], "model_type": "backwards", "width": 4})
    save_file({f"model.{name}": values.clone() for name, values in backwards().items()}, folder / "w.safetensors")
    monkeypatch.setattr("complexity_lab.zoo.architecture.importlib.util.find_spec", lambda name: None)
    assert resolve(folder).order_rule == "natural"
    stand_in = types.ModuleType("transformers")
    stand_in.CONFIG_MAPPING, stand_in.Backwards = {"backwards": Settings}, Backwards
    monkeypatch.setitem(sys.modules, "transformers", stand_in)
    monkeypatch.setattr("complexity_lab.zoo.architecture.importlib.util.find_spec", lambda name: stand_in)
    assert resolve(folder).order_rule == "model"
    assert [tensor.name for tensor in resolve(folder).tensors()] == [f"model.{name}" for name in backwards()]
    assert names_beside(described(tmp_path / "n", {"architectures": ["Other"], "model_type": "backwards"})) == ()
    assert names_beside(described(tmp_path / "o", {"architectures": ["Backwards"], "model_type": "other"})) == ()


def backwards():
    settings = Settings()
    settings.width = 4
    return Backwards(settings).state_dict()


def test_a_hub_repository_brings_its_configuration(tmp_path, monkeypatch):
    module = list(networks())[1][0]
    places = save_everywhere(module, VIT, tmp_path)
    files = {"model.safetensors": places["file"] / "w.safetensors", "config.json": places["file"] / "config.json"}
    with RevisionHub() as hub:
        hub.publish("lab/vit", "main", {name: path.read_bytes() for name, path in files.items()})
        hub.attach(monkeypatch, tmp_path / "home")
        assert resolve("lab/vit").order_rule == "model"
        assert bdm("lab/vit") == bdm(module)
        assert resolve("lab/vit", order="natural").order_rule == "natural"


class TestPairs:
    def pair(self, folder, suffixes, config=VIT):
        described(folder / "m", config)
        for state, suffix in zip(("initial", "trained"), suffixes, strict=True):
            torch.manual_seed(len(state))
            tensors = timm.create_model("test_vit", num_classes=5, **VIT["model_args"]).state_dict()
            (torch.save if suffix == "pt" else save_file)(tensors, folder / "m" / f"{state}.{suffix}")
        return folder

    def read(self, zoo):
        opened = zoo.open(zoo.card("m"))
        sources = opened.initial(0), opened.trained(None)
        names = [[tensor.name for tensor in source.tensors()] for source in sources]
        assert names[0] == names[1]
        assert sources[0].order_rule == sources[1].order_rule
        return names[0], sources[0].order_rule

    @pytest.mark.parametrize("suffixes", [("safetensors", "safetensors"), ("safetensors", "pt"), ("pt", "safetensors")])
    def test_both_states_are_read_in_the_order_of_the_model(self, tmp_path, suffixes):
        names, rule = self.read(CheckpointZoo(self.pair(tmp_path, suffixes)))
        assert (names, rule) == (list(names_beside(tmp_path / "m")), "model")

    def test_other_orders(self, tmp_path):
        folder = self.pair(tmp_path, ("safetensors", "safetensors"))
        own = list(names_beside(tmp_path / "m"))
        assert self.read(CheckpointZoo(folder, order="file")) == (sorted(own), "file")
        names, rule = self.read(open_zoo("checkpoints", path=folder, order="natural"))
        assert rule == "natural"
        assert names.index("blocks.2.norm1.weight") < names.index("blocks.10.norm1.weight")
        assert names != own

    def test_the_order_of_networks_that_are_built_here_is_known(self, tmp_path):
        with pytest.raises(InputError, match="the timm zoo builds its networks, whose order is known"):
            open_zoo("timm", order="natural")
        with pytest.raises(InputError, match="wanted model, natural or file"):
            CheckpointZoo(tmp_path, order="sorted")
