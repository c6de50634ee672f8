"""One network made of several trained ones: align them, average them, repair their units."""

from onebasin.merging.merge import Merged, merge

__all__ = ["Merged", "merge"]
