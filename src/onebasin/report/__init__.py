"""The report of a run: its figures, its tables, and a page that holds both.

The numbers are read from results.json. Only values that a figure needs are computed here.
"""

from onebasin.report.representations import representation_rows
from onebasin.report.write import write_report

__all__ = ["representation_rows", "write_report"]
