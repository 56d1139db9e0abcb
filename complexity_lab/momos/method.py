"""What is done to a network's weights while it trains: nothing, rounding (QAT), motifs, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.momos.blocks import Padding
from complexity_lab.momos.projection import MoMos

Every = Literal["step", "epoch"] | int


@dataclass(frozen=True, kw_only=True)
class Method:
    """How weights are simplified. Without ``s`` and with 32 bits it is the baseline.

    Attributes:
        bits: of quantization-aware training; 32 is off.
        s: values in a block of MoMos; None is off.
        capacity: motifs as a share of the blocks.
        k: number of motifs, instead of a capacity.
        force_zero: make the first motif zero.
        every: project after every optimizer step (the paper), every epoch (its program), or every so many steps.
        choice: how motifs are chosen, a name in ``motifs.MOTIF_CHOICES``.
        padding: of incomplete blocks, see ``FlatLayout``.
        tile: rows and columns of 2-D tiles, instead of ``s``.

    Raises:
        InputError: an argument out of its range, or arguments that exclude each other.
    """

    bits: int = 32
    s: int | None = None
    capacity: float | None = None
    k: int | None = None
    force_zero: bool = True
    every: Every = "step"
    choice: str = "random"
    padding: Padding = "tensor"
    tile: tuple[int, int] | None = field(default=None)

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise InputError(f"{counted(self.bits, 'bit')}, wanted 2 to 32 (32 trains without rounding)")
        if isinstance(self.every, str) and self.every not in ("step", "epoch"):
            raise InputError(f"every {self.every!r}, wanted step, epoch or a number of steps")
        if isinstance(self.every, int) and self.every < 1:
            raise InputError(f"a projection every {self.every} steps, wanted at least 1, or step, or epoch")
        if self.has_motifs:
            self.momos()
        elif self.capacity is not None or self.k is not None:
            raise InputError("a number of motifs without a block size; give s (values in a block) too")

    @property
    def has_motifs(self) -> bool:
        """Whether weights are projected onto motifs."""
        return self.s is not None or self.tile is not None

    @property
    def rounds(self) -> bool:
        """Whether weights are rounded to few bits in the forward pass."""
        return self.bits < 32

    @property
    def kind(self) -> str:
        """``baseline``, ``qat``, ``momos`` or ``momos+qat``."""
        if self.has_motifs:
            return "momos+qat" if self.rounds else "momos"
        return "qat" if self.rounds else "baseline"

    @property
    def name(self) -> str:
        """A short name, unique among methods: ``baseline``, ``qat-8``, ``momos-s4-c0.01``."""
        parts = []
        if self.has_motifs:
            amount = f"c{float(self.capacity or 0)!r}" if self.k is None else f"k{self.k}"
            shape = f"t{self.tile[0]}x{self.tile[1]}" if self.tile else f"s{self.s}"
            parts += ["momos", shape, amount]
            parts += [] if self.force_zero else ["nozero"]
            parts += [] if self.every == "step" else [str(self.every)]
            parts += [] if self.choice == "random" else [self.choice]
            parts += [] if self.padding == "tensor" else [self.padding]
        if self.rounds:
            parts += ["qat", str(self.bits)]
        return "-".join(parts) or "baseline"

    def momos(self, generator: torch.Generator | None = None) -> MoMos:
        """Return the projection of this method.

        Motifs are of 32-bit values even where the forward pass rounds them: what is rounded differs from tensor to
        tensor, and one motif serves several. So the relative algorithmic compression is that of the mosaic alone.

        Raises:
            InputError: the method has no motifs, or neither ``capacity`` nor ``k``.
        """
        if not self.has_motifs:
            raise InputError(f"method {self.name} projects nothing")
        if self.capacity is None and self.k is None:
            raise InputError("blocks without a number of motifs; give capacity (a share of the blocks) or k")
        return MoMos(
            s=self.s,
            k=self.k,
            capacity=self.capacity,
            force_zero=self.force_zero,
            choice=self.choice,
            padding=self.padding,
            tile=self.tile,
            generator=generator,
        )
