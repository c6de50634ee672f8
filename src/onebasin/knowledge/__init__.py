"""What the posterior knows about single weights, in forms that other libraries read."""

from onebasin.knowledge.datatree import to_datatree

__all__ = ["to_datatree"]
