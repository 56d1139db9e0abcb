"""A kind of study that costs nothing, and that can be told to fail, to wait or to kill the process it runs in."""

import os
import signal
import time
from pathlib import Path

from complexity_lab.study.kind import Failure, Kind, Spec, Task
from complexity_lab.study.plan import Plan
from complexity_lab.tables.commit import part_stem
from complexity_lab.tables.rows import Measurement, Run


class ToySpec(Spec):
    count: int = 4
    rows: int = 3
    slow: float = 0.0  # seconds of every task
    fails: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    kills: tuple[str, ...] = ()  # tasks that kill their process, always
    kills_once: tuple[str, ...] = ()  # the first time
    names: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()


class ToyKind(Kind[ToySpec]):
    name = "toy"
    noun = "toy"

    def spec(self, section, folder):
        return ToySpec.model_validate(dict(section))

    def tasks(self, spec, options):
        names = spec.names or tuple(f"toy{number}" for number in range(spec.count))
        return [Task(key=name, payload=(name, self._orders(spec, name)), inputs=spec.inputs) for name in names]

    @staticmethod
    def _orders(spec, name):
        return {
            "rows": spec.rows,
            "slow": spec.slow,
            "fails": name in spec.fails,
            "exits": name in spec.exits,
            "kills": name in spec.kills,
            "kills_once": name in spec.kills_once,
        }

    def run(self, payload, context):
        name, orders = payload
        noted = context.directory / f".seen-{part_stem(name)}"
        first = not noted.exists()
        noted.write_text(str(os.getpid()))
        if orders["kills"] or (orders["kills_once"] and first):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(orders["slow"])
        if orders["exits"]:
            raise SystemExit(5)
        if orders["fails"]:
            raise ValueError("told to fail")
        record = Run(model=name, name=name, group="toys", architecture="toy", seconds=0.0)
        numbers = [
            Measurement(model=name, step=step, scope="model", metric="bdm", value=float(step), unit="bits")
            for step in range(orders["rows"])
        ]
        return [record, *numbers]

    def failed(self, payload, failure: Failure):
        name = payload[0]
        return Run(
            model=name,
            name=name,
            group="toys",
            architecture="toy",
            status="failed",
            error_type=failure.error_type,
            error=failure.error,
        )


KIND = ToyKind()


def toy_plan(**choices) -> Plan:
    return Plan(kind="toy", spec=ToySpec(**choices), name="toys", title="Toys", question="Does the engine work?")
