"""Where every name of results.json of schema 2 stands in schema 3, and two runs compared by it.

`python tests/run/schema_two.py OLD_DIR NEW_DIR` prints the largest relative difference over all
numbers of a run by the last version with schema 2 and of the same run by this one.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onebasin.run import representations as known
from onebasin.run.results import STEPS, Results
from onebasin.run.run_directory import RunDirectory
from onebasin.run.trust import Convergence, warning_of

TOLERANCE = 1e-6
"""The largest relative difference that counts as rounding."""


def in_schema_three(old: Mapping[str, Any]) -> dict[str, Any]:
    """What results.json of schema 2 would hold in schema 3; `seed` is that of its config."""
    return {
        "schema": 3,
        "config": _config(old["config"]),
        "versions": old["versions"],
        **{step: _sections(old)[step] | {"seconds": old["seconds"][step]} for step in STEPS},
        "report_seconds": old["seconds"].get("report"),
    }


def _config(old: Mapping[str, Any]) -> dict[str, Any]:
    """The section of the sampler, which was HMC, had its name."""
    return {"method" if name == "hmc" else name: value for name, value in old.items()}


def _sections(old: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "sample": {"data": old["data"]},
        "align": {
            "alignment": old["alignment"],
            "transpositions": old["transpositions"]
            | {"by_lag": _named(old["transpositions"]["by_lag"], "lag", "count")},
        },
        "summarize": {
            "null_floor": _floors(old["null_floor"]),
            "low_rank": [{"rank": int(rank)} | one for rank, one in old["low_rank"].items()],
            "diagnostics": old["diagnostics"] | {"warning": _warning(old)},
        },
        "compare": {
            "representations": list(_evaluated(old)),
            "comparisons": list(_comparisons(old)),
            "connectivity": old["connectivity"],
        },
        "prune": {"curves": list(_curves(old))},
    }


def _warning(old: Mapping[str, Any]) -> str | None:
    """What was computed when it was read."""
    return warning_of("hmc", Convergence.model_validate(old["diagnostics"]["predictions"]))


def _named(rows: list[list[float]], *names: str) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _evaluated(old: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What was null was not evaluated; what a representation is comes from the table of them."""
    table = _known(old)
    for key, found in old["representations"].items():
        if found is not None:
            scores = dict(found)
            stored = scores.pop("num_numbers")
            what = table[key].model_dump() | {"values_per_weight": stored}
            yield {"representation": what, "scores": scores}


def _known(old: Mapping[str, Any]) -> dict[str, known.Representation]:
    ranks = [int(rank) for rank in old["low_rank"]]
    everything = (
        known.all_draws("hmc", 0), known.one_chain("hmc", 0), known.DIRECT, known.COMPACT,
        known.REFINED, known.COMPACT_MEAN, known.COMPACT_ENSEMBLE, known.VI, known.members(0),
        *(known.low_rank(rank, is_tempered=True) for rank in ranks),
        *(known.low_rank(rank, is_tempered=False) for rank in ranks),
        *map(known.kept_draws, old["config"]["evaluation"]["kept"]),
    )  # fmt: skip
    return {one.key: one for one in everything}


def _array(name: str) -> str:
    """The path of an array, which has collections now if the noise is inferred."""
    if name == "log_noise_std":
        return "likelihood/log_noise_std"
    return name.replace("network/", "weights/", 1) if name.startswith("network/") else name


def _floors(old: Mapping[str, Any]) -> dict[str, Any]:
    return {**old, "by_array": {_array(name): found for name, found in old["by_array"].items()}}


def _comparisons(old: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for pair, found in old["comparison"].items():
        first, second = pair.split("|")
        sides = {
            side: {name: found[f"{name}{ending}"] for name in ("kl", "kl_mean", "wasserstein2")}
            for side, ending in {"aligned": "", "unaligned": "_unaligned"}.items()
        }
        yield {"first": first, "second": second} | sides


def _curves(old: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Both tables name the share of weights kept."""
    for name, points in old["pruning"].items():
        network, order = name.replace("hmc-mean", "compact-mean").split("/")
        points = _named(points, "keep", "score", "nll")
        intervals = _named(old["pruning_intervals"][name], "keep", "low", "high")
        both = [a | b for a, b in zip(points, intervals, strict=True)]
        yield {"network": network, "order": order, "points": both}


def numbers(results: Results) -> dict[str, float]:
    """Every number that a run found by its place; parts of a list go by what they are.

    How long it took, and what its config and versions say, was not found.
    """
    found = results.model_dump(include=set(STEPS))
    return {
        place: value for place, value in _numbers(found) if place.rpartition(".")[2] != "seconds"
    }


def _numbers(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _numbers(part, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for row, part in enumerate(value):
            yield from _numbers(part, f"{place}[{_name_of(part, row)}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value


def _name_of(part: Any, row: int) -> str:
    """The order of lists of representations, comparisons and curves says nothing."""
    match part:
        case {"representation": {"key": key}}:
            return key
        case {"first": first, "second": second}:
            return f"{first} to {second}"
        case {"network": network, "order": order}:
            return f"{network} by {order}"
        case _:
            return str(row)


def largest_difference(old: Results, new: Results) -> tuple[float, str]:
    """The largest relative difference over all numbers, and its place.

    A number that only one of the two has differs infinitely.
    """
    before, after = numbers(old), numbers(new)
    return max((_difference(before.get(p), after.get(p)), p) for p in before | after)


def _difference(old: float | None, new: float | None) -> float:
    if old is None or new is None:
        return float("inf")
    return abs(old - new) / max(abs(old), abs(new)) if old != new else 0.0


def main(old_folder: str, new_folder: str) -> int:
    """Compare two runs; 1 if they differ by more than rounding."""
    text = (Path(old_folder) / "results.json").read_text("utf-8")
    old = Results.model_validate(in_schema_three(json.loads(text)))
    new = RunDirectory(new_folder).load_results()
    assert new is not None, f"{new_folder} has no results.json"
    assert old.config == new.config, "The two runs have different configs."
    largest, place = largest_difference(old, new)
    print(f"{len(numbers(old))} numbers; the largest relative difference: {largest:.3g} at {place}")
    return int(largest > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
