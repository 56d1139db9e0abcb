"""Losses from a CSV file: read as they are, or refused with the line."""

import pytest

from complexity_lab.errors import InputError
from complexity_lab.statistics.losses import read_losses


def write(tmp_path, text):
    file = tmp_path / "losses.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_cells_that_are_empty_are_unknown(tmp_path):
    text = "\ufeffstep,epoch,validation_loss,lr,train_accuracy\n0,0,2.3,0.1,\n100.0, ,1.5,0.1,0.5\n"
    found = read_losses(write(tmp_path, text)).set_index("step")
    assert [row.dropna().to_dict() for _, row in found.iterrows()] == [
        {"epoch": 0.0, "validation_loss": 2.3},
        {"validation_loss": 1.5, "train_accuracy": 0.5},
    ]
    assert found.index.tolist() == [0, 100]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step,loss\n1,2\n", "has columns step, loss; wanted step and some of"),
        ("train_loss\n1\n", "wanted step"),
        ("", "has columns none"),
        ("step,train_loss\n1,2\n1,3\n", "line 3: step 1 was there before"),
        ("step,train_loss\nten,2\n", "line 2: step 'ten', wanted a whole number"),
        ("step,train_loss\n-1,2\n", "wanted a whole number"),
        ("step,train_loss\n1.5,2\n", "wanted a whole number"),
        ("step,train_loss\n1,nan\n", "train_loss is 'nan', wanted a finite number or an empty cell"),
        ("step,train_loss\n1,low\n", "train_loss is 'low'"),
        ("step,validation_accuracy\n1,97.5\n", "validation_accuracy is 97.5, wanted a fraction"),
    ],
)
def test_what_cannot_be_used_is_refused_by_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_losses(write(tmp_path, text))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_losses(tmp_path / "none.csv")
