"""The report of a run or of aligned draws: figures, tables, and a page that holds both.

The numbers are read from results.json. Only values that a figure needs are computed here.
"""

from onebasin.report.aligned.summary import aligned_remarks
from onebasin.report.aligned.write import write_aligned_report
from onebasin.report.representations import representation_rows
from onebasin.report.write import write_report

__all__ = ["aligned_remarks", "representation_rows", "write_aligned_report", "write_report"]
