"""Runs slow toys in workers, to be interrupted by a test: ``python -m tests.study.run_toys DIRECTORY JOBS SECONDS``."""

import sys
from pathlib import Path

from complexity_lab.study import registry
from complexity_lab.study.engine import run_study
from complexity_lab.study.executors import Executor
from tests.study.toy import KIND, toy_plan

if __name__ == "__main__":
    registry.register(KIND)
    directory, jobs, slow = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    run_study(toy_plan(count=6, slow=slow), directory, executor=Executor(jobs=jobs))
