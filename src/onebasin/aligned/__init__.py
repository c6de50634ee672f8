"""Draws of one's own, aligned: what `onebasin align` reads, measures and writes.

`read` tells the format of draws and reads them, `measure` aligns them and says what they show
without data, `predictions` says what they predict of data, and `results` is what is found in
numbers. `folder` has the files. The page of a folder is in `report`.
"""

from onebasin.aligned.align import Job, align_draws, read_job
from onebasin.aligned.folder import AlignedFolder
from onebasin.aligned.read import Draws, read_draws
from onebasin.aligned.results import AlignedResults, Request

__all__ = [
    "AlignedFolder",
    "AlignedResults",
    "Draws",
    "Job",
    "Request",
    "align_draws",
    "read_draws",
    "read_job",
]
