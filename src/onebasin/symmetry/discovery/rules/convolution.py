"""Convolutions: a contraction of channels at every place of a window."""

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.rules.contraction import contract
from onebasin.symmetry.discovery.rules.reduction import drop_axes, with_frozen_axes
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.rules.shape import transpose_value
from onebasin.symmetry.discovery.values import Value


def convolution(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """conv_general_dilated: out[n,o,p] = sum_{c,w} lhs[n,c,p+w] rhs[o,c,w].

    Labels of the channels c are contracted, those of the batch n and of the output channels o pass
    through. Places p and the window w are frozen. With `feature_group_count` G > 1, channels are
    (g, c) and (g, o) for each group g of them, whose label is joined:
    out[n,(g,o),p] = sum_{c,w} lhs[n,(g,c),p+w] rhs[(g,o),c,w]. With `batch_group_count` > 1, all is
    frozen.
    """
    params = equation.params
    if params["batch_group_count"] != 1:
        return analysis.freeze_operands(operands, equation, "position-dependent: grouped batches")
    numbers = params["dimension_numbers"]
    inputs = transpose_value(operands[0], numbers.lhs_spec)  # batch, channels, places
    kernel = transpose_value(operands[1], numbers.rhs_spec)  # channels out, channels in, window
    places = list(range(2, inputs.ndim))
    out = [equation.shapes[0][axis] for axis in numbers.out_spec]
    inputs = with_frozen_axes(
        analysis, inputs, places, [*inputs.shape[:2], *out[2:]], "convolution"
    )
    for axis in places:
        analysis.freeze_axis(kernel, axis, "position-dependent: convolution")
    groups = params["feature_group_count"]
    inputs = _in_groups(analysis, inputs, 1, groups)
    kernel = _in_groups(analysis, kernel, 0, groups)
    # The axes of the product are (group), batch, places; channels out, window.
    if groups == 1:
        product = contract(analysis, inputs, kernel, [(1, 1)], [])
        order = [0, len(places) + 1, *range(1, len(places) + 1)]
    else:
        product = contract(analysis, inputs, kernel, [(2, 2)], [(1, 0)])
        order = [1, 0, len(places) + 2, *range(2, len(places) + 2)]
    product = drop_axes(product, range(product.ndim - len(places), product.ndim))
    product = transpose_value(product, order)
    if groups > 1:
        product = reshape_value(analysis, product, out)
    # The inverse of what brought the channels to the front.
    return [transpose_value(product, [numbers.out_spec.index(i) for i in range(product.ndim)])]


def _in_groups(analysis: Analysis, value: Value, axis: int, groups: int) -> Value:
    """The value with an axis of channels reshaped to (groups, channels in each), if needed."""
    if groups == 1:
        return value
    size = value.shape[axis] // groups
    shape = (*value.shape[:axis], groups, size, *value.shape[axis + 1 :])
    return reshape_value(analysis, value, shape)


RULES: dict[str, Rule] = {"conv_general_dilated": convolution}
