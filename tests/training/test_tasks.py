from itertools import product
from typing import get_type_hints

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.errors import InputError
from complexity_lab.training.digits import digits
from complexity_lab.training.examples import Splits, TestExamples, TrainingExamples, ValidationExamples
from complexity_lab.training.tasks import DIGITS_SPLIT, DIGITS_TRAINING, addition_task, balanced_order, digits_task


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(examples):
    return {tuple(row) for row in examples.inputs.tolist()}


def test_parts_are_of_three_types_none_of_which_is_another():
    task = digits_task(20, subset=generator())
    kinds = (TrainingExamples, ValidationExamples, TestExamples)
    for part, kind in zip((task.training, task.validation, task.test), kinds, strict=True):
        assert [other for other in kinds if isinstance(part, other)] == [kind]


@pytest.mark.parametrize("name", ["digits", "addition"])
def test_parts_share_no_example(name):
    task = digits_task(subset=generator()) if name == "digits" else addition_task(11, 50, split=generator())
    parts = [rows(part) for part in (task.training, task.validation, task.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_all_training_digits_are_the_default():
    task = digits_task(subset=generator())
    assert len(task.training) == DIGITS_TRAINING == len(digits(DIGITS_SPLIT).training)
    assert (len(task.validation), len(task.test), task.classes) == (360, 360, 10)
    assert task.training.inputs.shape == (1077, 64)


def test_smaller_subsets_are_within_larger_ones_and_balanced():
    small, large = (digits_task(size, subset=generator(3)) for size in (50, 300))
    assert rows(small.training) <= rows(large.training)
    assert set(small.training.labels.bincount().tolist()) == {5}
    assert rows(digits_task(50, subset=generator(4)).training) != rows(small.training)


def test_random_labels_keep_images_and_shares_of_classes():
    true, random = (digits_task(300, labels=labels, subset=generator(1)) for labels in ("true", "random"))
    assert torch.equal(true.training.inputs, random.training.inputs)
    assert torch.equal(true.training.labels.bincount(), random.training.labels.bincount())
    assert (true.training.labels == random.training.labels).double().mean() < 0.3
    assert torch.equal(true.validation.labels, random.validation.labels)


def test_subsets_do_not_touch_torchs_generator():
    before = torch.get_rng_state()
    digits_task(20, labels="random", subset=generator())
    addition_task(5, split=generator())
    assert torch.equal(before, torch.get_rng_state())


def test_addition_holds_every_pair_once_with_its_sum():
    task = addition_task(7, 20, split=generator())
    pairs, sums = [], []
    for part in (task.training, task.validation, task.test):
        pairs += [tuple(pair) for pair in part.inputs.tolist()]
        sums += part.labels.tolist()
    assert sorted(pairs) == list(product(range(7), repeat=2))
    assert sums == [(a + b) % 7 for a, b in pairs]
    assert (len(task.training), len(task.validation), len(task.test)) == (20, 14, 15)
    assert len(addition_task(7, split=generator()).training) == 24


def test_random_sums_are_only_for_training():
    task = addition_task(13, labels="random", split=generator())
    assert (task.training.inputs.sum(1) % 13 != task.training.labels).any()
    assert torch.equal(task.validation.inputs.sum(1) % 13, task.validation.labels)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: digits_task(0, subset=generator()), "0 training digits, wanted 1 to 1077"),
        (lambda: digits_task(1078, subset=generator()), "1078 training digits"),
        (lambda: addition_task(1, split=generator()), "modulus 1, wanted 2 or more"),
        (lambda: addition_task(3, 8, split=generator()), "8 of 9 pairs for training, wanted 1 to 7"),
    ],
)
def test_sizes_out_of_range_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 2**32))
def test_balanced_order_is_a_permutation_whose_beginnings_are_balanced(labels, seed):
    labels = torch.tensor(labels)
    order = balanced_order(labels, generator(seed))
    assert sorted(order.tolist()) == list(range(len(labels)))
    total = labels.bincount()
    for size in range(1, len(labels) + 1):
        counts = labels[order[:size]].bincount(minlength=len(total))
        left = counts < total
        if left.any():  # a class that still has examples is never two behind
            assert counts.max() - counts[left].min() <= 1


def test_a_leak_does_not_type_check():
    """No part is a subclass of another (above), and each place names the part it wants."""
    names = ("training", "validation", "test")
    assert [get_type_hints(Splits)[name] for name in names] == [TrainingExamples, ValidationExamples, TestExamples]
