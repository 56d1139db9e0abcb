"""Training as one would write it down: plain loops with torch's own optimizers and scheduler, and nothing shared."""

import torch
from torch.nn import functional as F


def fit(network, optimizer, epochs, *, clip=None, rates=None, scheduler=None):
    """Fit a network to batches, epoch by epoch; a rate for every step, or a scheduler that steps after each epoch."""
    network.train()
    for batches in epochs:
        for inputs, labels in batches:
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] if rates is None else next(rates)
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
        if scheduler is not None:
            scheduler.step()


def shifted(images, most, ground):
    """Shift image after image by what torch's own generator draws for the batch: rows first, then columns."""
    places = torch.randint(0, 2 * most + 1, (2, len(images), 1))[:, :, 0].T.tolist()
    padded = F.pad(images, (most,) * 4, value=ground)
    side = images.shape[-1]
    return torch.stack([image[:, y : y + side, x : x + side] for image, (y, x) in zip(padded, places, strict=True)])
