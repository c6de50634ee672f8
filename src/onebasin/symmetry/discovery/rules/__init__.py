"""Rules: what every primitive does to the labels of its operands, one family a file.

A rule takes the analysis, an equation and the values of its operands, and gives those of its
results. Its docstring begins with the primitive in index notation and says what happens to the
labels of each index. These are the words for it:

- *join*: two axes are indexed alike, as i in out[i] = a[i] + b[i]. They get one label.
- *contract*: two axes are joined, and summed over, as k in out = sum_k a[k] b[k]. The label is on
  no axis of the result.
- *pass through*: the axis of the result has the label of the axis of the operand.
- *drop*: the axis is on no result, and any order of its entries gives the same, as i in sum_i a[i].
- *freeze*: the result depends on the order of the entries, so that their label keeps it.

Labels that are dropped, contracted or frozen must not change sign or scale (see `marks`). Axes are
cut into segments if operands list different units along one axis (see `values`); a rule then does
the same for each block.
"""

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
