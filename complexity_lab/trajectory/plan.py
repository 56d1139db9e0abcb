"""What a study of networks in training will do, decided before anything is trained: a pure value with a hash."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

from complexity_lab.errors import ComplexityLabError, InputError
from complexity_lab.estimators.qubd import Rules, qubd_rules
from complexity_lab.trajectory.probe import StepProbe
from complexity_lab.trajectory.recipe import Labels, OptimizerName, Recipe, measured_steps

Study = Literal["learning", "overfitting", "grokking"]  # what its figures and page speak of
DIGITS = 1077  # training images of ``tasks.DIGITS_SPLIT``


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Strict):
    """What the networks of a study are told: the labels, and how strongly their weights decay."""

    labels: Labels = "true"
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def __str__(self) -> str:
        return f"{self.labels} labels, weight decay {self.weight_decay:g}"


@dataclass(frozen=True)
class WatchedRun:
    """One network to train; ``group`` is its key without the seed."""

    key: str
    group: str
    name: str
    network: str
    hidden: tuple[int, ...]
    examples: int
    arm: Arm
    seed: int
    recipe: Recipe

    def columns(self) -> dict[str, Any]:
        """Return what tells this run from the others, JSON types; figures and page read it from the manifest."""
        return {
            "run": self.key,
            "group": self.group,
            "hidden": list(self.hidden),
            "labels": self.arm.labels,
            "weight_decay": self.arm.weight_decay,
            "recipe": asdict(self.recipe),
        }


class TrajectoryPlan(_Strict):
    """Networks, training sets, arms and seeds; every combination is one run."""

    study: Study
    task: Literal["digits", "addition"]
    modulus: StrictInt | None = Field(default=None, ge=2)  # of addition
    embedding: StrictInt | None = Field(default=None, ge=1)  # of addition: length of the vector of a number
    hidden: tuple[tuple[StrictInt, ...], ...]  # units per hidden layer, of each network
    examples: tuple[StrictInt, ...] = ()  # in training; none: all digits, half of the pairs
    arms: tuple[Arm, ...] = (Arm(),)
    seeds: tuple[StrictInt, ...] = (0, 1, 2)
    optimizer: OptimizerName
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    batch_size: StrictInt | None = Field(default=None, ge=1)  # None: all examples at every step
    steps: StrictInt = Field(ge=1)
    per_decade: StrictInt = Field(default=12, ge=1)  # measurements per tenfold number of steps
    metrics: tuple[str, ...] = ("bdm",)
    preset: str | None = "fixed"  # rules of the bit planes; None: no planes
    bits: StrictInt = Field(default=4, ge=1, le=16)
    shuffles: StrictInt = Field(default=10, ge=0)
    tensor_rows: bool = True
    threads: StrictInt = Field(default=1, ge=1)  # of one run; others, other last bits

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) else value

    @field_validator("hidden", "arms", "seeds")
    @classmethod
    def _not_empty(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("empty, wanted at least one")
        return value

    @field_validator("hidden", "examples", "arms", "seeds", "metrics")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = sorted({str(item) for item in value if value.count(item) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice, wanted each once")
        return value

    @model_validator(mode="after")
    def _can_be_trained(self) -> TrajectoryPlan:
        try:
            self._check_task()
            self.probe()
        except ComplexityLabError as error:
            raise ValueError(str(error)) from None
        return self

    def _check_task(self) -> None:
        if any(width < 1 for widths in self.hidden for width in widths):
            raise InputError("a hidden layer has no unit, wanted 1 or more")
        if self.task == "digits":
            if self.modulus is not None or self.embedding is not None:
                raise InputError("modulus and embedding are for addition, leave them out for digits")
        elif self.modulus is None or self.embedding is None:
            raise InputError("addition needs modulus and embedding")
        elif any(len(widths) != 1 for widths in self.hidden):
            raise InputError("the network of addition has one hidden layer, such as hidden = [[256]]")
        wrong = [size for size in self.sizes() if not 1 <= size <= self.most_examples]
        if wrong:
            raise InputError(f"{wrong[0]} training examples, wanted 1 to {self.most_examples}")

    @property
    def most_examples(self) -> int:
        """Examples that can be trained on: all training digits, or all pairs but one for each part held out."""
        return DIGITS if self.modulus is None else self.modulus**2 - 2

    def sizes(self) -> tuple[int, ...]:
        """Return the numbers of training examples."""
        return self.examples or (DIGITS if self.modulus is None else self.modulus**2 // 2,)

    def rules(self) -> Rules | None:
        """Return the rules of the bit planes, None if none are measured."""
        return None if self.preset is None else replace(qubd_rules(self.preset), bits=self.bits)

    def probe(self) -> StepProbe:
        """Return what measures a step."""
        return StepProbe(
            self.metrics, self.rules(), tensor_rows=self.tensor_rows, shuffles=self.shuffles, threads=self.threads
        )

    def measured(self) -> tuple[int, ...]:
        """Return the steps that are measured."""
        return measured_steps(self.steps, self.per_decade)

    def runs(self) -> tuple[WatchedRun, ...]:
        """Return every run, in the order of the plan."""
        return tuple(
            self._run(hidden, examples, arm, seed)
            for hidden, examples, arm, seed in product(self.hidden, self.sizes(), self.arms, self.seeds)
        )

    def _run(self, hidden: tuple[int, ...], examples: int, arm: Arm, seed: int) -> WatchedRun:
        widths = "x".join(map(str, hidden)) or "linear"
        group = f"{self.task}-{widths}-n{examples}-{arm.labels}-wd{arm.weight_decay:g}"
        if self.modulus is None:
            network, data = f"MLP {widths}", f"{examples:,} digits"
        else:
            network, data = f"embedding {self.embedding}, hidden {widths}", f"{examples:,} sums mod {self.modulus}"
        recipe = Recipe(self.optimizer, self.learning_rate, arm.weight_decay, self.batch_size, self.steps)
        return WatchedRun(
            key=f"{group}-s{seed}",
            group=group,
            name=f"{network}, {data}, {arm}",
            network=network,
            hidden=hidden,
            examples=examples,
            arm=arm,
            seed=seed,
            recipe=recipe,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types, with all runs and their recipes."""
        runs = [run.columns() for run in self.runs()]
        found: dict[str, Any] = json.loads(json.dumps({**self.model_dump(mode="json"), "runs": runs}))
        return found

    def hash(self) -> str:
        """Return a short hash of all that decides the rows."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]


def checked_plan(**choices: Any) -> TrajectoryPlan:
    """Return a plan; what is wrong with it is one sentence.

    Raises:
        InputError: a value out of its range, an unknown key, or something listed twice.
    """
    try:
        return TrajectoryPlan(**choices)
    except ValidationError as error:
        raise InputError(f"the study cannot be planned: {_problems(error)}") from None


class TrajectoryStudy(_Strict):
    """Title, question and source of a study, its figures and its plan."""

    title: str
    question: str
    source: str = ""
    figures: tuple[str, ...] = ()
    trajectory: TrajectoryPlan


def read_trajectory_study(file: Path) -> TrajectoryStudy:
    """Read and check a study file.

    Raises:
        InputError: no TOML, or a key that is unknown, missing or of a wrong type (named).
    """
    try:
        return TrajectoryStudy.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        raise InputError(f"{file} is not a study: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    """Return what pydantic found, key by key, in one line."""
    found = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {text}" if where else text)
    return "; ".join(found)
