"""The one place where torch tensors become numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_numpy(values: Any) -> np.ndarray:
    """Return an array for a numpy array, a torch tensor on any device, or a sequence of numbers.

    The shape stays, memory is shared where it can be, and bfloat16 becomes ``ml_dtypes.bfloat16``.
    """
    if not (hasattr(values, "detach") and hasattr(values, "is_floating_point")):
        return np.asarray(values)
    on_cpu = values.detach().to("cpu")
    if str(on_cpu.dtype) == "torch.bfloat16":
        import ml_dtypes
        import torch

        return np.asarray(on_cpu.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(on_cpu.numpy())
