"""check_same_functions: no alignment changed what a network computes."""

from collections.abc import Sequence

from onebasin.merging.arguments import Data
from onebasin.symmetry.trial import Trial, Values, begin
from onebasin.types import Params


def check_same_functions(data: Data, networks: Sequence[Params], aligned: Sequence[Params]) -> None:
    """Compare the outputs of each network with those that it had before it was aligned.

    The largest change that passes is that of `ob.verify`. Nothing is compared if no network is
    finite at the inputs.

    Raises: ValueError if a function has changed.
    """
    values = [Values(params, data.inputs) for params in networks]
    trial = begin(data.apply, values)
    if trial is None:
        return
    for number, (before, after) in enumerate(zip(values, aligned, strict=True)):
        own = Trial(trial.program, before, trial.program.run(before))
        change = own.change_at(Values(after, data.inputs))
        limit = own.limit(change)
        if not change <= limit:
            raise ValueError(
                "An alignment must leave the function of a network as it is. Got a change of "
                f"{change:.2g} of the largest output of network {number}, more than {limit:.2g}. "
                "Is the symmetry that of this function? Let find_symmetry find it."
            )
