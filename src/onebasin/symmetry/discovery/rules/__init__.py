"""What every primitive does to the axes of its operands, one family a file."""

from onebasin.symmetry.discovery.analysis import Rule
from onebasin.symmetry.discovery.rules import (
    contraction,
    control_flow,
    convolution,
    elementwise,
    indexing,
    joining,
    random,
    reduction,
    shape,
)

RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **contraction.RULES,
    **convolution.RULES,
    **reduction.RULES,
    **shape.RULES,
    **joining.RULES,
    **indexing.RULES,
    **random.RULES,
    **control_flow.RULES,
}
"""The rule of every primitive that has one."""
