"""Convolutions: a contraction of channels, at every place of a window."""

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.rules.contraction import contract
from onebasin.symmetry.discovery.rules.reduction import forget, with_frozen
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.rules.shape import transposed
from onebasin.symmetry.discovery.values import Value


def convolution(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Places keep their order; channels of a group are contracted as those of a dense layer."""
    params = equation.params
    if params["batch_group_count"] != 1:
        return analysis.keep_order(operands, equation, "position-dependent: grouped batches")
    numbers = params["dimension_numbers"]
    inputs = transposed(operands[0], numbers.lhs_spec)  # batch, channels, places
    kernel = transposed(operands[1], numbers.rhs_spec)  # channels out, channels in, window
    places = list(range(2, inputs.ndim))
    out = [equation.shapes[0][axis] for axis in numbers.out_spec]
    inputs = with_frozen(analysis, inputs, places, [*inputs.shape[:2], *out[2:]], "convolution")
    for axis in places:
        analysis.freeze_axis(kernel, axis, "position-dependent: convolution")
    groups = params["feature_group_count"]
    inputs = _in_groups(analysis, inputs, 1, groups)
    kernel = _in_groups(analysis, kernel, 0, groups)
    # (group), batch, places; channels out, window.
    if groups == 1:
        product = contract(analysis, inputs, kernel, [(1, 1)], [])
        order = [0, len(places) + 1, *range(1, len(places) + 1)]
    else:
        product = contract(analysis, inputs, kernel, [(2, 2)], [(1, 0)])
        order = [1, 0, len(places) + 2, *range(2, len(places) + 2)]
    product = forget(product, range(product.ndim - len(places), product.ndim))
    product = transposed(product, order)
    if groups > 1:
        product = reshape_value(analysis, product, out)
    # The inverse of what brought the channels to the front.
    return [transposed(product, [numbers.out_spec.index(i) for i in range(product.ndim)])]


def _in_groups(analysis: Analysis, value: Value, axis: int, groups: int) -> Value:
    if groups == 1:
        return value
    size = value.shape[axis] // groups
    shape = (*value.shape[:axis], groups, size, *value.shape[axis + 1 :])
    return reshape_value(analysis, value, shape)


RULES: dict[str, Rule] = {"conv_general_dilated": convolution}
