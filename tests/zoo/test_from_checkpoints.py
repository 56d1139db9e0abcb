"""Pairs of files as a zoo: which are found, in which order they are read, and which lists are refused."""

import os

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, UnreachableError, WeightsError
from complexity_lab.weights.source import NamedTensor
from complexity_lab.zoo.from_checkpoints import CheckpointZoo


def save(path, **shapes):
    """Write a file of ones."""
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.suffix == ".safetensors":
        save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, path)
    else:
        torch.save({name: torch.ones(shape) for name, shape in shapes.items()}, path)


def listed(path, content):
    """Write a list and return its zoo."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CheckpointZoo(path)


def opened(zoo, model):
    return zoo.open(zoo.card(model))


def names(source):
    return [tensor.name for tensor in source.tensors() if isinstance(tensor, NamedTensor)]


class TestPairs:
    def test_files_are_read_in_the_order_of_the_torch_file(self, tmp_path):
        save(tmp_path / "m" / "initial.safetensors", b=(2, 3), a=(4,))
        save(tmp_path / "m" / "trained.pt", b=(2, 3), a=(4,))
        pair = opened(CheckpointZoo(tmp_path), "m")
        assert names(pair.initial(0)) == names(pair.trained(None)) == ["b", "a"]
        assert pair.facts().revision.startswith("sha256:")

    @pytest.mark.parametrize("first", ["safetensors", "pt"])
    @pytest.mark.parametrize("second", ["safetensors", "pt"])
    def test_pairs_of_other_shapes_are_refused(self, tmp_path, first, second):
        save(tmp_path / "m" / f"initial.{first}", head=(10, 4), body=(3, 3))
        save(tmp_path / "m" / f"trained.{second}", head=(5, 4), body=(3, 3))
        pair = opened(CheckpointZoo(tmp_path), "m")
        with pytest.raises(
            WeightsError, match=r"has head of shape \[(5|10), 4\], the other state of shape \[(5|10), 4\]; "
        ):
            names(pair.initial(0)) and names(pair.trained(None))

    def test_pairs_of_other_names_are_refused(self, tmp_path):
        save(tmp_path / "m" / "initial.pt", head=(10, 4))
        save(tmp_path / "m" / "trained.pt", tail=(10, 4))
        with pytest.raises(WeightsError, match="they need the same tensors"):
            names(opened(CheckpointZoo(tmp_path), "m").trained(None))


class TestDirectories:
    def test_seeds_are_the_files_in_numerical_order(self, tmp_path):
        for seed in (10, 2, 0):
            save(tmp_path / f"m.initial-{seed}.pt", w=(2,))
        save(tmp_path / "m" / "trained.pt", w=(2,))
        save(tmp_path / "notes.pt", w=(2,))
        zoo = CheckpointZoo(tmp_path)
        assert [card.id for card in zoo.cards()] == ["m"]
        assert opened(zoo, "m").initial_seeds == (0, 2, 10)
        assert opened(zoo, "m").trained_seeds == (None,)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("a.initial.pt", "a.initial-0.pt"),
            ("a.initial-1.pt", "a.initial-01.pt"),
            ("a/initial.pt", "a/initial.safetensors"),
            ("a/trained.pt", "a.trained.pt"),
        ],
    )
    def test_two_files_of_one_seed_are_refused(self, tmp_path, first, second):
        save(tmp_path / first, w=(2,))
        save(tmp_path / second, w=(2,))
        with pytest.raises(InputError, match="are of one model, state and seed") as caught:
            CheckpointZoo(tmp_path).cards()
        assert first in str(caught.value)
        assert second in str(caught.value)

    @pytest.mark.parametrize("name", [b"m\xff.initial.pt", b"m\xff/initial.pt"])
    def test_names_that_are_not_utf_8_are_refused(self, tmp_path, name):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"m\\udcff.* is not valid UTF-8") as caught:
            CheckpointZoo(tmp_path).cards()
        str(caught.value).encode()
        with pytest.raises(InputError, match="not valid UTF-8"):
            CheckpointZoo(path.parent if path.parent != tmp_path else path).cards()

    def test_other_files_may_have_any_name(self, tmp_path):
        save(tmp_path / "m.initial.pt", w=(2,))
        (tmp_path / os.fsdecode(b"\xff.pt")).write_bytes(b"")
        assert [card.id for card in CheckpointZoo(tmp_path).cards()] == ["m"]

    @pytest.mark.parametrize("name", ["nothing", "x" * 300])
    def test_a_path_that_is_not_there(self, tmp_path, name):
        with pytest.raises(UnreachableError, match=r"does not exist|File name too long"):
            CheckpointZoo(tmp_path / name).cards()

    def test_an_empty_directory(self, tmp_path):
        with pytest.raises(InputError, match="names no checkpoints"):
            CheckpointZoo(tmp_path).cards()


class TestCsv:
    def test_rows_of_one_id_are_its_seeds(self, tmp_path):
        rows = "m,s0.pt,t.pt,f\nn,n.pt,,\nm,s1.pt,t.pt,f\n,,,\nm,s2.pt,,\n"
        zoo = listed(tmp_path / "list.csv", "id,initial,trained,family\n" + rows)
        assert [(card.id, card.family) for card in zoo.cards()] == [("m", "f"), ("n", "checkpoints")]
        pair = opened(zoo, "m").pair
        assert pair.initial == {seed: tmp_path / f"s{seed}.pt" for seed in range(3)}
        assert pair.trained == {0: tmp_path / "t.pt"}
        assert opened(zoo, "n").trained_seeds == ()

    def test_a_byte_order_mark_and_windows_lines(self, tmp_path):
        zoo = listed(tmp_path / "list.csv", b"\xef\xbb\xbfid,initial\r\nm,a.pt\r\n")
        assert opened(zoo, "m").pair.initial == {0: tmp_path / "a.pt"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("id,initial\nm\u00fc,a.pt\n".encode("latin-1"), "is not UTF-8 .byte 0xfc at position 12.; save it"),
            ("id,initial\nm," + "x" * 200_000, "is not valid CSV: field larger"),
            ("id,initial\nm,a.pt,b.pt,c.pt\n", "has more cells than columns"),
            ("id,initial,initial\nm,a.pt,b.pt\n", "has the column initial twice"),
            ("id,begin\nm,a.pt\n", "has unknown keys begin"),
            ("id,initial\n,a.pt\n", "has no id"),
            ("id,initial\nm,\n", "names neither initial nor trained"),
            ("id,initial,family\nm,a.pt,f\nm,b.pt,g\n", "is of family f and of g"),
        ],
    )
    def test_malformed_lists(self, tmp_path, content, message):
        with pytest.raises(InputError, match=message):
            listed(tmp_path / "list.csv", content).cards()


class TestToml:
    def test_lists_of_files_are_seeds(self, tmp_path):
        zoo = listed(tmp_path / "list.toml", '[[model]]\nid = "m"\ninitial = ["a.pt", "b.pt"]\ntrained = "t.pt"\n')
        assert opened(zoo, "m").initial_seeds == (0, 1)
        assert opened(zoo, "m").trained_seeds == (None,)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("model = 3", "has a model that is no .* table, wanted only tables"),
            ("model = [3]", "wanted only tables that begin with"),
            ('[model]\nid = "m"\ninitial = "a.pt"', "has a model that is no .* table, wanted only tables"),
            ('[[modle]]\nid = "m"\ninitial = "a.pt"', "has the key modle"),
            ("model = ", "is not valid TOML"),
            (b"# \xfc", "is not UTF-8"),
            ('[[model]]\ninitial = "a.pt"', "has no id"),
            ('[[model]]\nid = "m"\ninitial = 3', "initial of m in .* is no file name"),
            ('[[model]]\nid = "m"\ninitial = ["a.pt", "a.pt"]', "has the initial file of m a.pt twice"),
            ('[[model]]\nid = "m"\ninitial = "a.pt"\n[[model]]\nid = "m"\ninitial = "b.pt"', "has the id m twice"),
        ],
    )
    def test_malformed_lists(self, tmp_path, content, message):
        with pytest.raises(InputError, match=message):
            listed(tmp_path / "list.toml", content).cards()

    def test_a_file_name_too_long_does_not_keep_the_others_from_being_listed(self, tmp_path):
        save(tmp_path / "a.pt", w=(2,))
        long = f'[[model]]\nid = "long"\ninitial = "{"x" * 300}.pt"\n'
        zoo = listed(tmp_path / "list.toml", long + '[[model]]\nid = "m"\ninitial = "a.pt"\n')
        assert [card.id for card in zoo.cards()] == ["long", "m"]
        with pytest.raises(UnreachableError, match="File name too long"):
            opened(zoo, "long").initial(0)


def test_an_unreadable_list(tmp_path, monkeypatch):
    zoo = listed(tmp_path / "list.csv", "id,initial\n")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "read_text", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        zoo.cards()
