from pathlib import Path

import pytest

from complexity_lab.errors import InputError
from complexity_lab.experiments.plan import checked_plan, read_training_study, table_plan
from complexity_lab.experiments.run import configs
from tests.sentences import assert_one_sentence

STUDIES = Path(__file__).parents[2] / "studies"


def test_table_1_has_twelve_methods_of_three_models():
    plan = table_plan("table1", seeds=(0, 1, 2))
    assert plan.models == ("mlp", "resnet20", "tiny_vit_5m")
    assert [method.name for method in plan.methods()] == [
        "baseline",
        *("qat-16", "qat-8", "qat-4"),
        *("momos-s2-c0.1", "momos-s2-c0.05", "momos-s2-c0.01", "momos-s2-c0.005"),
        *("momos-s4-c0.1", "momos-s4-c0.05", "momos-s4-c0.01", "momos-s4-c0.005"),
    ]


def test_the_reference_projects_once_per_epoch():
    assert {method.every for method in table_plan("table1", preset="reference").methods()[4:]} == {"epoch"}
    assert {method.every for method in table_plan("table1").methods()[4:]} == {"step"}


def test_the_reference_holds_out_5_percent_of_cifar():
    held_out = {
        (preset, dataset): {
            config.validation for config in configs(table_plan("table1", preset=preset, dataset=dataset))
        }
        for preset in ("paper", "reference")
        for dataset in ("cifar10", "digits")
    }
    assert held_out.pop(("reference", "cifar10")) == {0.05}
    assert set(map(tuple, held_out.values())) == {(None,)}  # the data set's own


def test_the_hash_tells_experiments_apart():
    assert table_plan("table1").hash() == table_plan("table1").hash()
    assert table_plan("table1").hash() != table_plan("table1", epochs=3).hash()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"models": ()}, "models: empty"),
        ({"models": ("mlp",), "seeds": ()}, "seeds: empty"),
        ({"models": ("mlp",), "s": (4,)}, "s and capacity belong together"),
        ({"models": ("mlp",), "baseline": False}, "no method"),
        ({"models": ("mlp",), "s": (4,), "capacity": (2.0,)}, "capacity 2.0, wanted above 0"),
        ({"models": ("mlp",), "bits": (1,)}, "1 bits, wanted 2 to 32"),
        ({"models": ("mlp",), "preset": "papers"}, "preset: Input should be 'paper', 'reference' or 'quick'"),
        ({"models": ("mlp",), "metrics": ("bdm_2d",)}, "metric bdm_2d cannot be watched"),
        ({"models": ("mlp",), "colour": "red"}, "colour: Extra inputs"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(choices, message):
    with pytest.raises(InputError, match=message) as error:
        checked_plan(**choices)
    assert_one_sentence(error.value)


def test_the_studies_that_ship_can_be_read():
    studies = {
        path.stem: read_training_study(path) for path in STUDIES.glob("momos_*.toml") if "figure2" not in path.stem
    }
    pairs = {f"momos_{name}{on}" for name in ("table1", "figure3", "figure4") for on in ("", "_digits")}
    assert set(studies) == pairs | {"momos_every_digits"}
    assert {method.every for method in studies["momos_every_digits"].training.methods()} == {"epoch"}
    assert studies["momos_table1"].training.methods() == table_plan("table1", dataset="cifar10").methods()
    assert studies["momos_table1_digits"].training.hash() == table_plan("table1").hash()


def test_a_study_with_a_wrong_key(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('title = "t"\nquestion = "q"\n[training]\nmodels = ["mlp"]\nblock = 4\n')
    with pytest.raises(InputError, match=r"training\.block: Extra inputs"):
        read_training_study(file)
