"""Names of files and folders in the directory of a study; each table is a folder of its own name beside them."""

from typing import Final

MANIFEST: Final = "manifest.json"
COMMITS: Final = "commits"  # one record per finished task
ACCURACY: Final = "accuracy.csv"  # published accuracies of a survey
LOSSES: Final = "losses.csv"  # of a series
TEXT: Final = "text.md"  # what the author wrote about the results
SIDE_FILES: Final = (ACCURACY, LOSSES, TEXT)  # what readers of the tables need beside them
FIGURES: Final = "figures"
PAGE: Final = "report.html"

STUDY_LOCK: Final = ".study.lock"  # held by the process that runs the study
WRITE_LOCK: Final = ".write.lock"  # held while the parts of one task appear
RUNNING: Final = ".running"  # a note per task that was begun
