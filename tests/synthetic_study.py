"""Studies of networks in training whose numbers are known, without training anything."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from complexity_lab.statistics.step_results import TrajectoryResults
from complexity_lab.tables.rows import CurvePoint, Measurement, Row, Run
from tests.synthetic import Study

STEPS = (0, 1, 10, 100, 1000)
LAYERS = ("layers.0.weight", "layers.1.weight")
ALL_DIGITS, HALF_THE_SUMS = 1077, 24


@dataclass(frozen=True)
class Condition:
    """What the runs of one group share."""

    task: str
    hidden: tuple[int, ...]
    examples: int
    labels: str
    weight_decay: float

    @property
    def group(self) -> str:
        """Key of the group."""
        widths = "x".join(map(str, self.hidden))
        return f"{self.task}-{widths}-n{self.examples}-{self.labels}-wd{self.weight_decay:g}"

    @property
    def network(self) -> str:
        """Name of the network."""
        return f"{'MLP' if self.task == 'digits' else 'embedding 4, hidden'} {'x'.join(map(str, self.hidden))}"


CONDITIONS = {
    "learning": [Condition("digits", each, ALL_DIGITS, "true", wd) for each in ((8,), (32, 16)) for wd in (0.0, 0.01)],
    "overfitting": [
        Condition("digits", (8,), examples, labels, wd)
        for examples, labels, wd in product((20, 50, 100), ("true", "random"), (0.0, 0.01))
    ],
    "grokking": [
        Condition("addition", (8,), HALF_THE_SUMS, labels, wd)
        for labels, wd in (("true", 1.0), ("true", 0.0), ("random", 1.0))
    ],
}


def losses(about: Condition, place: int) -> dict[str, float]:
    """Training is right from the fourth moment on; true labels are understood at the fifth, sums with decay only.

    With few digits, the validation loss turns up at the end.
    """
    right, understood = place >= 3, place >= 4 and about.labels == "true"
    if about.task == "addition":
        understood = understood and about.weight_decay > 0
    few = about.task == "digits" and about.examples < ALL_DIGITS
    turned = 2.0 if place == 4 and about.labels == "true" and few else 1.0
    return {
        "train_loss": 2.0 / (1 + place),
        "train_accuracy": 1.0 if right else 0.2 * place,
        "validation_loss": turned * 3.0 / (1 + place),
        "validation_accuracy": 1.0 if understood else 0.1,
    }


def fall(about: Condition, seed: int, place: int) -> float:
    """Ratio to the shuffled self: weight decay alone lowers it, by 20 % at the end, 5 % at the moment before.

    Random labels lower it half as much; seeds differ by a tenth of a point.
    """
    if not about.weight_decay or place < 3:
        return 1.0
    return 1.0 - ({3: 0.05, 4: 0.2}[place] + 0.001 * seed) / (2 if about.labels == "random" else 1)


def rows_of(about: Condition, seed: int, bits: int = 4) -> list[Row]:
    """Return curve and measurements of one run."""
    found: list[Row] = []
    run = f"{about.group}-s{seed}"
    for place, step in enumerate(STEPS):
        curve = {"epoch": float(step), "source": about.network} | losses(about, place)
        found.append(CurvePoint(model=run, seed=seed, step=step, **curve))
        ratio, shuffled = fall(about, seed, place), 1000.0 - 50 * place * (about.weight_decay > 0)
        for tensor in (None, *LAYERS):
            whole = Measurement(
                **{"model": run, "seed": seed, "step": step, "unit": "bits", "scored": 64, "dropped": 0},
                **{"scope": "model" if tensor is None else "tensor", "tensor": tensor, "metric": "bdm"},
                value=ratio * shuffled,
            )
            planes = [replace(whole, metric="qubd", plane=plane) for plane in (None, *range(bits))]
            for each in (whole, *planes):
                found += [
                    each,
                    replace(each, null="shuffle", statistic="mean", value=shuffled),
                    replace(each, null="shuffle", statistic="sd", value=10.0),
                ]
    return found


def run_of(about: Condition, seed: int, failed: bool) -> Run:
    """Return the record of one run."""
    error = {"status": "failed", "error_type": "WeightsError", "error": "training diverged"}
    done = {
        "parameters": int(100 * np.prod(about.hidden)),
        "test_accuracy_final": 0.9 if about.labels == "true" else 0.1,
    }
    return Run(
        **{"model": f"{about.group}-s{seed}", "group": about.group, "architecture": about.network, "seed": seed},
        **{"name": f"{about.network}, {about.labels} labels, weight decay {about.weight_decay:g}", "seconds": 10.0},
        **{"dataset": about.task, "examples": about.examples, "labels": about.labels, "reference": 0},
        **{"optimizer": "adam", "learning_rate": 0.01, "weight_decay": about.weight_decay},
        **(error if failed else done),
    )


def network_study(name: str, seeds: int = 3, failed: tuple[str, ...] = ()) -> Study:
    """Return a study, learning, overfitting or grokking; runs named in ``failed`` diverged at once."""
    rows: list[Row] = []
    for about, seed in product(CONDITIONS[name], range(seeds)):
        run = run_of(about, seed, f"{about.group}-s{seed}" in failed)
        rows += [run] if run.status == "failed" else [run, *rows_of(about, seed)]
    plan = {"study": name, "task": CONDITIONS[name][0].task, "seeds": list(range(seeds)), "steps": STEPS[-1]}
    return Study(kind="trajectory", name=name, rows=rows, plan=plan)


def study(name: str, seeds: int = 3, failed: tuple[str, ...] = ()) -> TrajectoryResults:
    """Return the results of a study."""
    results: TrajectoryResults = network_study(name, seeds, failed).results
    return results
