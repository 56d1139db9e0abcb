"""A directory in CIFAR-10's format with a few random images, and torchvision told to accept it."""

import pickle

import numpy as np
from torchvision.datasets import CIFAR10


def write_cifar10(root, monkeypatch, training=40, test=20):
    """Write one training batch and one test batch; classes differ in brightness, so that they can be learned."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, count in (("data_batch_1", training), ("test_batch", test)):
        labels = rng.integers(0, 10, count)
        pixels = (rng.integers(0, 50, (count, 3072)) + 20 * labels[:, None]).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": labels.tolist()}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {index}" for index in range(10)]}))
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", None]])  # None: no checksum
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})
    return root
