"""Trial: whether what a walk finds in a program leaves it as it is, and what else would."""

from collections import Counter

import jax
import numpy as np
from equivalents import (
    all_elements,
    as_values,
    brute_force,
    changes,
    elements,
    moved,
    numbered,
    outputs,
    settings_of,
    tolerance,
)
from programs import Program

from onebasin import find_symmetry
from onebasin.symmetry import Permutation, Symmetry
from onebasin.symmetry.discovery.find import symmetry_of
from onebasin.symmetry.discovery.walk import NOT_USED, walk

NUM_NUDGED = 4
AT_THE_DOOR = 10
"""Of how many programs one goes through `find_symmetry`, the others through its walk alone."""


class Useless(Exception):
    """A program of which nothing can be told.

    It uses no params, is not finite, or rounding alone changes it.
    """


def try_program(program: Program, counts: Counter) -> None:
    """Try every element that is found, and on tiny programs all that there could be.

    Raises: AssertionError for an element that changes the program.
    """
    params, inputs = program.values()
    apply = program.apply
    closed = jax.make_jaxpr(apply)(params, *inputs)
    found = symmetry_of(walk(apply, params, *inputs), params)
    if not found.sizes and set(found.frozen.values()) == {NOT_USED}:
        raise Useless
    if program.seed % AT_THE_DOOR == 0:
        assert find_symmetry(apply, params, *inputs) == found, f"{program}\n{found}"
        assert Symmetry.from_json(found.to_json()) == found, f"{program}\n{found}"
    rows = elements(found, program.seed)
    tried = moved(found, rows, params)
    num_tried = len(next(iter(tried.values())))
    allowed = tolerance(closed)
    nudged = _nudged(params, allowed, program.seed)
    settings = brute_force(params)
    every = all_elements(found)
    stacks = [tried, nudged]
    if settings is not None and every is not None:
        first = {name: ids.min() for name, ids in numbered(params).items()}
        stacks.append({n: as_values(settings[n], params[n], first[n]) for n in params})
    stacked = {name: np.concatenate([stack[name] for stack in stacks]) for name in params}
    values = outputs(apply, stacked, inputs)
    if not np.isfinite(values[0]).all():
        raise Useless
    sizes = changes(values)
    failed = np.flatnonzero(~(sizes[:num_tried] <= allowed))
    if len(failed):
        if sizes[num_tried : num_tried + NUM_NUDGED].max() > allowed / 10:
            raise Useless
        raise AssertionError(_report(program, found, rows, failed, sizes))
    counts["programs"] += 1
    counts["with groups"] += bool(found.sizes)
    counts["with signs"] += bool(found.signs)
    counts["elements tried"] += num_tried - 1
    if len(stacks) == 3:
        preserving = sizes[num_tried + NUM_NUDGED :] <= allowed
        _count_missed(found, every, params, settings, preserving, counts)


def _nudged(params: dict, allowed: float, seed: int) -> dict:
    """The params with errors of rounding, a hundredth of what is allowed or one of their own."""
    rng = np.random.default_rng(seed)
    size = max(allowed / 100, 1e-14) if allowed > 1e-10 else 1e-14
    return {
        name: (leaf * (1 + size * rng.standard_normal((NUM_NUDGED, *leaf.shape)))).astype(
            leaf.dtype
        )
        for name, leaf in params.items()
    }


def _report(
    program: Program, found: Symmetry, rows: Permutation, failed: np.ndarray, sizes: np.ndarray
) -> str:
    at, still = failed[0], found.identity()
    moves = {n: p[at].tolist() for n, p in rows.units.items() if (p[at] != still.units[n]).any()}
    flips = {n: p[at].tolist() for n, p in rows.signs.items() if (p[at] != 1).any()}
    return (
        f"{len(failed)} elements change the program, the first one by {sizes[at]:.3g} of its "
        f"largest output: units {moves}, signs {flips}\n{program!r}\n{found}"
    )


def _count_missed(
    found: Symmetry,
    every: Permutation,
    params: dict,
    settings: dict,
    preserving: np.ndarray,
    counts: Counter,
) -> None:
    known = settings_of(moved(found, every, numbered(params)))
    there = {one for one, kept in zip(settings_of(settings), preserving, strict=True) if kept}
    missed = len(there - set(known))
    counts["programs tried by brute force"] += 1
    counts["programs of which all was found"] += not missed
    counts["settings tried by brute force"] += len(preserving)
    counts["settings that preserve"] += len(there)
    counts["settings that preserve and are missed"] += missed
