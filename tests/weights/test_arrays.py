"""Which values become arrays, and the sentence for those that do not."""

import numpy as np
import pytest
import torch

from complexity_lab.arrays import as_numpy
from complexity_lab.binary.binarize import binarize
from complexity_lab.errors import InputError, WeightsError


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (torch.ones(3).to(torch.float8_e8m0fnu), InputError, "dtype float8_e8m0fnu, wanted float64"),
        (torch.eye(3).to_sparse(), InputError, "layout sparse_coo, wanted a dense tensor"),
        (torch.ones(3, device="meta"), WeightsError, "meta device"),
        ([[1.0], [1.0, 2.0]], InputError, "a list that is no array"),
    ],
    ids=["scales", "sparse", "meta", "ragged"],
)
def test_what_has_no_array_is_refused(values, error, message):
    for convert in (as_numpy, binarize):
        with pytest.raises(error, match=message):
            convert(values)


def test_lazily_negated_tensors_are_arrays():
    np.testing.assert_array_equal(as_numpy(torch.tensor([1 + 2j]).conj().imag), [-2.0])
