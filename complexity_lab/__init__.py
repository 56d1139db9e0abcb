"""The algorithmic complexity of weights: from a zoo of models to tables, figures and a report.

The flow is the folder listing::

    zoo -> weights -> binary -> estimators -> tables -> statistics -> figures -> report
                        |           ^
                        +-> controls      null models: what the same bits would score without structure

    survey runs the chain for many models, cli is the command line, bench times us against others, and momos holds
    networks whose weights are made of few reusable blocks.

What you may want first::

    import complexity_lab as cl

    cl.bdm(bits)                      # bits; a 1-D or 2-D array of 0/1, numpy or torch
    cl.block_counts(weights)          # BlockCounts from floats in one pass
    cl.block_entropy(bits)            # bits per block
    cl.qubd(weight, bits=8)           # QuBD; bits of every bit plane, least significant first, and their total
    cl.compress(payload, "gzip")      # raw and compressed bytes
    cl.measure(source)                # DataFrame; module, state dict, path, zoo id or hub id
    cl.compare_weights(a, b)          # DataFrame; two sources, layer by layer
    cl.iid_null(ctm, blocks, p)       # what independent bits would score
    cl.shuffled_counts(weights)       # BlockCounts of the same bits in random order
    cl.run_survey(plan, directory)    # the same as the command
    cl.MoMos(s=4, capacity=0.01)(net) # Projection; a network's weights onto few motifs, in place
    cl.rac(n=269_722, s=4, k=6743)    # how much shorter such a mosaic can be written
    cl.pack(net, "net.safetensors")   # PackReport; a file that really is smaller, cl.unpack(path) restores it

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complexity_lab.binary.binarize import binarize
    from complexity_lab.binary.block_counts import BlockCounts
    from complexity_lab.binary.counting import StreamCounter, block_counts
    from complexity_lab.controls.iid import iid_null
    from complexity_lab.controls.shuffle import shuffled_counts
    from complexity_lab.errors import ComplexityLabError
    from complexity_lab.estimators.bdm import bdm
    from complexity_lab.estimators.compressors import compress, payload
    from complexity_lab.estimators.ctm import ctm_table
    from complexity_lab.estimators.entropy import block_entropy
    from complexity_lab.estimators.qubd import qubd, qubd_tiled
    from complexity_lab.figures import render
    from complexity_lab.momos.artefact import pack, unpack
    from complexity_lab.momos.bound import rac
    from complexity_lab.momos.projection import MoMos
    from complexity_lab.report import write_report
    from complexity_lab.survey.comparison import compare_weights
    from complexity_lab.survey.plan import SurveyPlan, make_plan
    from complexity_lab.survey.run import run_survey
    from complexity_lab.survey.single import measure
    from complexity_lab.tables.store import read_table

_WHERE = {
    "BlockCounts": ("binary.block_counts", "BlockCounts"),
    "ComplexityLabError": ("errors", "ComplexityLabError"),
    "MoMos": ("momos.projection", "MoMos"),
    "StreamCounter": ("binary.counting", "StreamCounter"),
    "SurveyPlan": ("survey.plan", "SurveyPlan"),
    "bdm": ("estimators.bdm", "bdm"),
    "binarize": ("binary.binarize", "binarize"),
    "block_counts": ("binary.counting", "block_counts"),
    "block_entropy": ("estimators.entropy", "block_entropy"),
    "compare_weights": ("survey.comparison", "compare_weights"),
    "compress": ("estimators.compressors", "compress"),
    "ctm_table": ("estimators.ctm", "ctm_table"),
    "iid_null": ("controls.iid", "iid_null"),
    "make_plan": ("survey.plan", "make_plan"),
    "measure": ("survey.single", "measure"),
    "pack": ("momos.artefact", "pack"),
    "payload": ("estimators.compressors", "payload"),
    "qubd": ("estimators.qubd", "qubd"),
    "qubd_tiled": ("estimators.qubd", "qubd_tiled"),
    "rac": ("momos.bound", "rac"),
    "read_table": ("tables.store", "read_table"),
    "render": ("figures", "render"),
    "run_survey": ("survey.run", "run_survey"),
    "shuffled_counts": ("controls.shuffle", "shuffled_counts"),
    "unpack": ("momos.artefact", "unpack"),
    "write_report": ("report", "write_report"),
}

__all__ = [
    "BlockCounts",
    "ComplexityLabError",
    "MoMos",
    "StreamCounter",
    "SurveyPlan",
    "bdm",
    "binarize",
    "block_counts",
    "block_entropy",
    "compare_weights",
    "compress",
    "ctm_table",
    "iid_null",
    "make_plan",
    "measure",
    "pack",
    "payload",
    "qubd",
    "qubd_tiled",
    "rac",
    "read_table",
    "render",
    "run_survey",
    "shuffled_counts",
    "unpack",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _WHERE:
        raise AttributeError(f"module 'complexity_lab' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = getattr(import_module(f"complexity_lab.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
