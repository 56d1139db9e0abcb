"""A directory in CIFAR-10's format with a few random images, and torchvision told to accept it."""

import os
import pickle

import numpy as np
from torchvision.datasets import CIFAR10

ACCEPTED = {
    "train_list": [["data_batch_1", None]],  # None: no checksum
    "test_list": [["test_batch", None]],
    "meta": {"filename": "batches.meta", "key": "label_names", "md5": None},
}


def write_cifar10(root, monkeypatch, training=40, test=20):
    """Write one training batch and one test batch, and have this process accept them."""
    for name, value in ACCEPTED.items():
        monkeypatch.setattr(CIFAR10, name, value)
    return write_files(root, training, test)


def write_files(root, training, test):
    """Write both batches; classes differ in brightness, so that they can be learned."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, count in (("data_batch_1", training), ("test_batch", test)):
        labels = rng.integers(0, 10, count)
        pixels = (rng.integers(0, 50, (count, 3072)) + 20 * labels[:, None]).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": labels.tolist()}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {index}" for index in range(10)]}))
    return root


def accepting_environment(folder):
    """Return an environment whose Python processes accept such directories: what Python imports first says so."""
    lines = [f"CIFAR10.{name} = {value!r}" for name, value in ACCEPTED.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text("\n".join(["from torchvision.datasets import CIFAR10", *lines]))
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}
