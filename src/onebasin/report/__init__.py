"""The report of a run: its figures, its tables, and a page that holds both.

Nothing is computed anew here but what a picture needs; the numbers are those of results.json.
"""

from onebasin.report.representations import representation_rows
from onebasin.report.write import write_report

__all__ = ["representation_rows", "write_report"]
