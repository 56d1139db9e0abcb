"""What a kind of study is: a spec, the tasks that follow from it, and how one of them becomes rows.

To add a kind, add a module to ``kinds`` (or call ``register``) with a subclass of ``Kind``; everything else (directory,
resume, workers, progress, manifest, page) is the engine's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, model_validator

from complexity_lab.counted import counted
from complexity_lab.errors import ComplexityLabError
from complexity_lab.tables.rows import Record, Row
from complexity_lab.training.records import EpochRecord

BASE_MEMORY = 700_000_000  # bytes of a worker that has imported torch and timm


class Spec(BaseModel):
    """What a study of one kind does: frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        try:
            self.refuse_impossible()
        except ComplexityLabError as error:  # as pydantic wants it
            raise ValueError(str(error)) from None
        return self

    def refuse_impossible(self) -> None:
        """Raise a ``ComplexityLabError`` where fields that are right by themselves ask for what cannot be done."""

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows, as JSON types: what the plan's hash is of."""
        return self.model_dump(mode="json")


SpecT = TypeVar("SpecT", bound=Spec)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and with what a study is run: nothing here decides a row.

    Attributes:
        device: of trainings: ``auto``, ``cpu``, ``cuda``, ...
        data_dir: where data sets lie or are downloaded to.
        keep_weights: keep the weights of every run in the directory.
        timeout: how long a hub may be silent, seconds.
        keep_downloads: leave downloads in the hub's cache.
        on_epoch: called with every epoch of a training; only where tasks run in this process, one at a time.
    """

    device: str = "auto"
    data_dir: Path | None = None
    keep_weights: bool = False
    timeout: float = 60.0
    keep_downloads: bool = True
    on_epoch: Callable[[EpochRecord], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One unit of work. It is sent to workers, so its payload is what one task needs and no more.

    Attributes:
        key: unique in the study; the ``model`` of its rows.
        payload: what ``Kind.run`` gets; picklable, a few kilobytes at most.
        work: cost relative to the other tasks.
        memory: highest memory that it is expected to take, bytes.
        inputs: files whose content decides the rows; a change of one is noticed.
    """

    key: str
    payload: Any
    work: float = 1.0
    memory: int = BASE_MEMORY
    inputs: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """What a task may use while it runs.

    Attributes:
        directory: of the study.
        key: of the task.
        threads: cores given to it.
        options: of this run.
    """

    directory: Path
    key: str
    threads: int = 1
    options: RunOptions = field(default_factory=RunOptions)


class Kind(ABC, Generic[SpecT]):
    """One kind of study. Instances hold nothing: workers receive them."""

    name: ClassVar[str]  # in study files, manifests and on the command line
    noun: ClassVar[str]  # what one task is, for messages: "model", "run"
    spec_type: ClassVar[type[Spec]]
    open_ended: ClassVar[bool] = False  # whether tasks may come and go between runs of one plan
    threads_decide: ClassVar[bool] = False  # whether the last bits depend on the threads of a task

    def spec(self, section: Mapping[str, Any], folder: Path) -> SpecT:  # noqa: ARG002
        """Return what a section of a study file asks for; its paths are relative to ``folder``.

        Raises:
            InputError, UnknownNameError: something in it is not defined.
            ValidationError: pydantic's; the reader of study files turns it into a sentence.
        """
        return cast(SpecT, self.spec_type.model_validate(dict(section)))

    @abstractmethod
    def tasks(self, spec: SpecT, options: RunOptions) -> Sequence[Task]:
        """Return every task, in the order of the plan."""

    @abstractmethod
    def run(self, payload: Any, context: TaskContext) -> Sequence[Row]:
        """Do one task and return its rows, one ``Record`` among them. Runs in a worker."""

    @abstractmethod
    def failed(self, payload: Any, failure: Failure) -> Record:
        """Return the record of a task that could not be done."""

    def tidy(self, payload: Any, context: TaskContext) -> None:
        """Remove what a task that is ok left in the directory, once its rows are written. Runs in a worker."""

    def check(self, spec: SpecT, options: RunOptions) -> None:
        """Raise what would keep every task from working, before anything is done."""

    def prepare(self, spec: SpecT, directory: Path, options: RunOptions) -> None:
        """Write what all tasks share into the directory, before the first of them runs."""

    def jobs(self, spec: SpecT, options: RunOptions, cores: int) -> int:  # noqa: ARG002
        """Return how many tasks run at the same time if the caller does not say."""
        return cores

    def announcement(self, spec: SpecT, tasks: Sequence[Task]) -> str:  # noqa: ARG002
        """Return what is about to be done, in a line."""
        return counted(len(tasks), self.noun)


@dataclass(frozen=True)
class Failure:
    """Why something could not be done: the class of the error and one sentence."""

    error_type: str
    error: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return an error in one line; errors that are not ours say their type first."""
        text = " ".join(str(error).split())[:500]
        ours = isinstance(error, ComplexityLabError) and text
        return cls(type(error).__name__, text if ours else f"{type(error).__name__}: {text}".rstrip(": "))
