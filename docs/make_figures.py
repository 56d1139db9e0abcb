"""The figures of methods.md, drawn from seeds in a few seconds: ``python docs/make_figures.py [FOLDER]``.

Everything is simulated, nothing is fetched. The examples are functions that the page's snippets import, so that page
and figures show the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.counting import STRING, StreamCounter, block_counts
from complexity_lab.binary.planes import quantize
from complexity_lab.controls.gaussian import GaussianNull
from complexity_lab.controls.iid import iid_null
from complexity_lab.controls.shuffle import ShuffleNull
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.qubd import qubd
from complexity_lab.figures import numbers, theme

HERE = Path(__file__).parent
SEED = 0
SHARES = (0.5, 0.45, 0.33)
COLOURS = {0.5: theme.INK, 0.45: theme.SIGN_BIAS, 0.33: theme.RISE}
DRAWS = 200  # of each null model


def fair_bits(n: int, seed: int = SEED) -> np.ndarray:
    """Return ``n`` independent fair bits, uint8 ``[n]``."""
    return np.random.default_rng(seed).integers(0, 2, n, dtype=np.uint8)


def sticky_bits(n: int, stays: float = 0.8, seed: int = SEED) -> np.ndarray:
    """Return ``n`` bits of which each repeats the one before with probability ``stays``, uint8 ``[n]``."""
    changes = np.random.default_rng(seed).random(n) >= stays
    return (np.cumsum(changes) % 2).astype(np.uint8)


def small_layer(seed: int = SEED) -> np.ndarray:
    """Return a layer of 16 outputs and 24 inputs, float32: two smooth patterns under noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.linspace(0, 3, 16), np.linspace(0, 4, 24)
    smooth = np.outer(np.sin(rows), np.cos(columns)) + 0.7 * np.outer(np.cos(2 * rows), np.sin(1.5 * columns))
    return (smooth + 0.12 * rng.standard_normal((16, 24))).astype(np.float32)


def initial_layers(seed: int = SEED) -> dict[str, np.ndarray]:
    """Return two matrices of normal values around zero, float32: what training starts from."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in (("a", (96, 144)), ("b", (48, 96)))}


def trained_layers(seed: int = SEED) -> dict[str, np.ndarray]:
    """Return the same matrices as a training might leave them, float32.

    Half of the values of ``b`` moved below zero (sign bias, in one tensor only), the outputs of ``a`` have means of
    their own, and neighbours in a row of ``a`` are correlated.
    """
    rng = np.random.default_rng([seed, 1])
    layers = initial_layers(seed)
    smooth = 0.8 * layers["a"] + 0.6 * np.roll(layers["a"], 1, axis=1)
    return {
        "a": (smooth + 0.5 * rng.standard_normal((96, 1))).astype(np.float32),
        "b": (layers["b"] - 0.7).astype(np.float32),
    }


def counts_of(layers: Mapping[str, np.ndarray]) -> BlockCounts:
    """Return the blocks of 12 of the sign bits of all layers, one string."""
    stream = StreamCounter()
    for layer in layers.values():
        stream.add(layer)
    return stream.result()


def null_draws(layers: Mapping[str, np.ndarray], draws: int = DRAWS) -> dict[str, np.ndarray]:
    """Return the BDM of draws of each null model of the layers, bits, float64 ``[draws]`` by its name."""
    counts = counts_of(layers)
    nulls = {
        "normal values": GaussianNull(repetitions=draws, seed=SEED, shapes=(STRING,)),
        "shuffled in each tensor": ShuffleNull("tensor", repetitions=draws, seed=SEED, shapes=(STRING,)),
        "shuffled in each channel": ShuffleNull("channel", repetitions=draws, seed=SEED, shapes=(STRING,)),
    }
    for null in nulls.values():
        for layer in layers.values():
            null.add(layer)
    rng = np.random.default_rng(SEED)
    bits = (rng.random((draws, counts.scored)) < counts.ones_fraction).astype(np.uint8)
    found = {"independent bits": np.array([bdm_of(block_counts(row)) for row in bits])}
    return found | {name: np.array([bdm_of(each) for each in null.strings()]) for name, null in nulls.items()}


def simulated(n: int, share: float, draws: int = 10) -> np.ndarray:
    """Return the BDM of draws of ``n`` independent bits with a share of ones, bits, float64 ``[draws]``."""
    rng = np.random.default_rng([SEED, n, round(100 * share)])
    return np.array([bdm_of(block_counts((rng.random(n) < share).astype(np.uint8))) for _ in range(draws)])


def draw_histogram(figure: Figure) -> None:
    """Draw how often each block occurs in fair and in sticky bits, and what their BDM adds up to."""
    figure.set_size_inches(theme.PAGE_WIDTH, 2.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    places = {"fair bits": (fair_bits(98_304), theme.INK), "sticky bits": (sticky_bits(98_304), theme.DROP)}
    for row, (name, (bits, colour)) in enumerate(places.items()):
        counts = block_counts(bits)
        ranked = np.sort(counts.counts)[::-1]
        left.plot(np.arange(1, ranked.size + 1), ranked, color=colour, linewidth=1.4)
        offset = (5, 4) if row else (5, -8)
        left.annotate(name, (1, ranked[0]), xytext=offset, textcoords="offset points", color=colour, va="center")
        blocks = float(ctm_table(STRING)[counts.codes].sum())
        right.barh(1 - row, blocks / 1e3, height=0.5, color=theme.ARRANGEMENT)
        right.barh(1 - row, (bdm_of(counts) - blocks) / 1e3, left=blocks / 1e3, height=0.5, color=theme.SIGN_BIAS)
    _log_axes(left)
    left.set_xlabel("blocks of 12 bits, most frequent first")
    left.set_ylabel("occurrences")
    right.set_yticks([1, 0], list(places))
    right.tick_params(axis="y", length=0)
    right.set_xlabel("BDM (kbit)")
    handles = [Patch(color=theme.ARRANGEMENT, label="different blocks (CTM)")]
    handles += [Patch(color=theme.SIGN_BIAS, label="their repetitions (log2 n)")]
    right.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=1)


def draw_saturation(figure: Figure) -> None:
    """Draw BDM and its ratio to fair bits against size: the exact mean as lines, simulated bits as points."""
    figure.set_size_inches(theme.PAGE_WIDTH, 3.0)
    left, right = figure.subplots(1, 2)
    ctm = ctm_table(STRING)
    sizes = np.geomspace(1e3, 1e8, 60)
    fair = np.array([iid_null(ctm, int(n) // 12, 0.5).mean for n in sizes])
    for share in SHARES:
        colour = COLOURS[share]
        means = np.array([iid_null(ctm, int(n) // 12, share).mean for n in sizes])
        left.plot(sizes, means / 1e3, color=colour, label=f"{100 * share:.0f} % ones")
        right.plot(sizes, means / fair, color=colour)
        look: dict[str, Any] = {"fmt": "o", "color": colour, "markersize": 3.2, "elinewidth": 1.0, "capsize": 2}
        for n in (3_000, 30_000, 300_000, 3_000_000):
            found, base = simulated(n, share), iid_null(ctm, n // 12, 0.5).mean
            left.errorbar(n, found.mean() / 1e3, found.std(ddof=1) / 1e3, **look)
            right.errorbar(n, found.mean() / base, found.std(ddof=1) / base, **look)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.count(value)))
        axes.minorticks_off()
        axes.set_xlabel("weights")
        axes.axvline(4096 * 12, color=theme.FAINT, linewidth=0.8, linestyle=":")
    left.annotate(
        "as many blocks\nas are possible",
        (4096 * 12, 5),
        xytext=(4, 0),
        textcoords="offset points",
        color=theme.SOFT,
        fontsize=7,
    )
    left.set_ylabel("BDM (kbit)")
    right.set_ylabel("BDM / BDM of fair bits")
    left.legend(loc="upper left")


def draw_planes(figure: Figure) -> None:
    """Draw a small layer, its levels of 4 bits, and its four planes with their BDM."""
    figure.set_size_inches(theme.PAGE_WIDTH, 3.1)
    grid = figure.add_gridspec(2, 4, height_ratios=(1.5, 1))
    layer = small_layer()
    quantized, scored = quantize(layer, 4, clip=None), qubd(layer, 4, None)
    reach = float(np.abs(layer).max())
    tops: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("weights", layer, {"cmap": "PuOr_r", "vmin": -reach, "vmax": reach}),
        ("levels 0 to 15", quantized.levels(), {"cmap": "Greys", "vmin": 0, "vmax": 15}),
    )
    for place, (title, values, look) in enumerate(tops):
        axes = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        _image(axes, values, title, look)
    for plane in range(4):
        axes = figure.add_subplot(grid[1, 3 - plane])
        end = {3: ", most significant", 0: ", least"}.get(plane, "")
        _image(axes, quantized.bits()[plane], f"plane {plane}{end}", {"cmap": "Greys", "vmin": 0, "vmax": 1.6})
        for edge in range(4, 24, 4):
            axes.axvline(edge - 0.5, color=theme.RISE, linewidth=0.4)
        for edge in range(4, 16, 4):
            axes.axhline(edge - 0.5, color=theme.RISE, linewidth=0.4)
        axes.set_xlabel(f"{scored.planes[plane]:.0f} bits", labelpad=2)


def draw_nulls(figure: Figure) -> None:
    """Draw the distribution of BDM under each null model, beside the initial and the trained value."""
    figure.set_size_inches(theme.PAGE_WIDTH, 2.9)
    axes = figure.add_subplot()
    trained, initial = bdm_of(counts_of(trained_layers())) / 1e3, bdm_of(counts_of(initial_layers())) / 1e3
    colours = (theme.SIGN_BIAS, theme.RISE, theme.ARRANGEMENT, "#44AA99")
    draws = null_draws(trained_layers())
    for (name, values), colour in zip(draws.items(), colours, strict=True):
        axes.hist(values / 1e3, bins=24, density=True, color=colour, alpha=0.75, label=name)
    top = axes.get_ylim()[1]
    for value, name, side in ((initial, "initial", "right"), (trained, "trained", "left")):
        axes.axvline(value, color=theme.INK, linewidth=1.2)
        axes.annotate(
            *(name, (value, top)),
            xytext=(-4 if side == "right" else 4, -6),
            textcoords="offset points",
            ha=side,
        )
    axes.set_xlabel("BDM (kbit)")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4)


FIGURES: dict[str, Callable[[Figure], None]] = {
    "histogram": draw_histogram,
    "saturation": draw_saturation,
    "nulls": draw_nulls,
    "planes": draw_planes,
}


def make_figures(folder: Path) -> list[Path]:
    """Draw every figure into a folder, which is created if missing; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in FIGURES.items():
        with theme.style():
            canvas = theme.new_figure()
            FigureCanvasAgg(canvas)
            draw(canvas)
            paths.append(folder / f"{name}.png")
            canvas.savefig(paths[-1], dpi=theme.DPI, metadata={"Software": None})
    return paths


def _image(axes: Axes, values: np.ndarray, title: str, look: Mapping[str, Any]) -> None:
    axes.imshow(values, interpolation="nearest", **look)
    axes.set_title(title, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _log_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()


if __name__ == "__main__":
    for path in make_figures(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "figures"):
        sys.stdout.write(f"{path}\n")
