"""One training run as a study of its own: its directory holds the weights beside the tables."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from complexity_lab.momos.runs import RunConfig
from complexity_lab.study.kind import RunOptions
from complexity_lab.study.kinds.training import TrainingSpec
from complexity_lab.study.plan import Plan, checked


class SingleRunSpec(TrainingSpec):
    """A run that is given as it is, with a method or a recipe that a plan of many has no words for."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    config: RunConfig

    def configs(self, options: RunOptions) -> list[RunConfig]:
        """Return the run; where it is trained is its own choice."""
        del options
        return [self.config]

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows, as JSON types."""
        return {"run": self.config.as_dict(), "preset": self.preset, "metrics": list(self.metrics)}

    def folder_of(self, config: RunConfig) -> str:
        """Return the directory of the study itself: its weights are what it is trained for."""
        del config
        return ""


def run_plan(config: RunConfig, *, metrics: tuple[str, ...] = ("bdm",), preset: str = "paper") -> Plan:
    """Return the plan of one run.

    Args:
        config: what to train, and where.
        metrics: of every epoch, names in the registry.
        preset: which recipe it started from, for the record.

    Raises:
        InputError: a metric twice, or an unknown preset.
        UnknownNameError: no such metric.
    """
    values = {
        "config": config,
        "dataset": config.dataset,
        "models": (config.model,),
        "seeds": (config.seed,),
        "metrics": metrics,
        "preset": preset,
        "precision": config.precision,
        "compile": config.compile,
    }
    title = f"{config.model} on {config.dataset}, {config.method.name}"
    spec = checked(SingleRunSpec, values, "the run")
    return Plan(kind="training", spec=spec, name=config.key, title=title, question="")
