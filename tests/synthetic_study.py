"""Studies of networks in training on disk whose numbers are known, without training anything."""

import json

import numpy as np

from complexity_lab.tables.steps import write_series
from complexity_lab.trajectory.plan import checked_plan

STEPS = (0, 1, 10, 100, 1000)
LAYERS = ("layers.0.weight", "layers.1.weight")
PLANS = {
    "learning": {"task": "digits", "hidden": [[8], [32, 16]], "arms": [{"weight_decay": 0.0}, {"weight_decay": 0.01}]},
    "overfitting": {
        "task": "digits",
        "hidden": [[8]],
        "examples": [20, 50, 100],
        "arms": [{"labels": labels, "weight_decay": decay} for labels in ("true", "random") for decay in (0.0, 0.01)],
    },
    "grokking": {
        "task": "addition",
        "modulus": 7,
        "embedding": 4,
        "hidden": [[8]],
        "arms": [{"weight_decay": 1.0}, {"weight_decay": 0.0}, {"labels": "random", "weight_decay": 1.0}],
    },
}


def plan_of(study, seeds=3):
    given = {"study": study, "optimizer": "adam", "learning_rate": 0.01, "steps": 1000, "shuffles": 5, "seeds": seeds}
    return checked_plan(**(given | PLANS[study]))


def losses(run, place):
    """Training is right from the fourth moment on; true labels are understood at the fifth, with decay only.

    In a study of overfitting, the validation loss turns up at the end.
    """
    right, understood = place >= 3, place >= 4 and run.arm.labels == "true"
    if run.key.startswith("addition"):
        understood = understood and run.arm.weight_decay > 0
    turned = 2.0 if place == 4 and run.arm.labels == "true" and run.examples < 1077 and "digits" in run.key else 1.0
    return {
        "train_loss": 2.0 / (1 + place),
        "train_accuracy": 1.0 if right else 0.2 * place,
        "validation_loss": turned * 3.0 / (1 + place),
        "validation_accuracy": 1.0 if understood else 0.1,
    }


def fall(run, place):
    """Ratio to the shuffled self: weight decay alone lowers it, by 20 % at the end, 5 % at the moment before.

    Random labels lower it half as much; seeds differ by a tenth of a point.
    """
    if not run.arm.weight_decay or place < 3:
        return 1.0
    return 1.0 - ({3: 0.05, 4: 0.2}[place] + 0.001 * run.seed) / (2 if run.arm.labels == "random" else 1)


def rows_of(run, bits=4):
    found = []
    for place, step in enumerate(STEPS):
        common = {"run": run.key, "step": step, "epoch": float(step), "seed": run.seed, "source": run.network}
        common |= losses(run, place) | {"status": "ok", "unit": "bits", "scored": 64, "dropped": 0}
        ratio, shuffled = fall(run, place), 1000.0 - 50 * place * (run.arm.weight_decay > 0)
        names = ["bdm", "qubd", *(f"qubd_plane{plane}" for plane in range(bits))]
        for scope, tensor in (("model", ""), *(("tensor", layer) for layer in LAYERS)):
            for name in names:
                numbers = {name: ratio * shuffled, f"{name}_shuffle_mean": shuffled, f"{name}_shuffle_sd": 10.0}
                found += [
                    common | {"scope": scope, "tensor": tensor, "metric": metric, "value": value}
                    for metric, value in numbers.items()
                ]
    return found


def write_study(directory, study, seeds=3, failed=()):
    """Write manifest, steps and series; runs named in ``failed`` diverged at once."""
    plan = plan_of(study, seeds)
    directory.mkdir(parents=True, exist_ok=True)
    manifest = {"plan": {"kind": "trajectory"} | plan.as_dict(), "plan_hash": plan.hash(), "versions": {"torch": "2"}}
    manifest |= {"command": f"complexity-lab study run studies/{study}.toml"}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    for run in plan.runs():
        series = {"run": run.key, "name": run.name, "group": run.group, "network": run.network, "seed": run.seed}
        series |= {"examples": run.examples, "optimizer": str(run.recipe), "reference": 0, "seconds": 10.0}
        if run.key in failed:
            series |= {"status": "failed", "error_type": "WeightsError", "error": "training diverged"}
            write_series(directory, series, [], {})
            continue
        right = 0.9 if run.arm.labels == "true" else 0.1
        series |= {"status": "ok", "parameters": int(100 * np.prod(run.hidden)), "test_accuracy": right}
        write_series(directory, series, rows_of(run), {})
    return directory
