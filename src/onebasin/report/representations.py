"""Names of representations, the table of their scores, and which of them rival each other."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from onebasin.plots.numbers import fixed, whole

Scores = Mapping[str, Any]

_LABELS = {
    "hmc": "HMC, all draws",
    "hmc-chain": "HMC, one chain",
    "direct": "direct Gaussian",
    "compact": "compact Gaussian",
    "compact-mean": "compact mean",
    "refined": "refined Gaussian",
    "compact-ensemble": "compact ensemble",
    "vi": "variational (VI)",
    "ensemble": "ensemble members",
}
_MEANINGS = {
    "hmc": "every draw of every chain: what all others are held against",
    "hmc-chain": "the draws of one chain, held against those of the others; mean over chains",
    "direct": "mean and std of each weight over HMC's draws as they are, not aligned",
    "compact": "mean and std of each weight over HMC's aligned draws",
    "refined": "the compact Gaussian, moved by variational inference that also follows HMC",
    "compact-mean": "one network: the mean of HMC's aligned draws",
    "compact-ensemble": "mean and std of each weight over aligned ensemble members",
    "vi": "the Gaussian of mean-field variational inference",
    "ensemble": "the maximum a posteriori networks themselves, their predictions averaged",
}
_RANK, _WHOLE, _KEPT = "compact-rank-", "-whole", "kept-"


class Rivals(NamedTuple):
    """A Gaussian (or its mean) and the kept draws that need as many numbers, or fewer."""

    name: str
    kept: str
    num_kept: int
    is_equal: bool


def label(name: str) -> str:
    """What a representation of results.json is called in figures and tables."""
    if name.startswith(_RANK):
        rank = name.removeprefix(_RANK).removesuffix(_WHOLE)
        return f"rank {rank} {'whole' if name.endswith(_WHOLE) else 'tempered'}"
    if name.startswith(_KEPT):
        count = name.removeprefix(_KEPT)
        return f"{count} kept draw{'' if count == '1' else 's'}"
    return _LABELS.get(name, name)


def meaning(name: str) -> str:
    """What a representation stores, in words."""
    if name.startswith(_RANK):
        rank = name.removeprefix(_RANK).removesuffix(_WHOLE)
        residual = (
            "the residual std that they leave"
            if name.endswith(_WHOLE)
            else "their residual std shrunk by one factor, fitted on validation inputs"
        )
        return f"the {rank} strongest directions of HMC's aligned draws, and {residual}"
    if name.startswith(_KEPT):
        return "evenly spaced draws of HMC, their predictions averaged; mean over spacings"
    return _MEANINGS.get(name, "")


def present(results: Mapping[str, Any]) -> dict[str, Scores]:
    """The representations that were evaluated, in the order of the table.

    HMC comes first; the others by numbers stored, and from near to far within one storage.
    """
    table = {name: scores for name, scores in results["representations"].items() if scores}

    def place(name: str) -> tuple[bool, float, float]:
        scores = table[name]
        is_other = name not in ("hmc", "hmc-chain")
        storage = float(scores["num_numbers"]) if is_other else 0.0
        return is_other, storage, float(scores["total_variation"])

    return {name: table[name] for name in sorted(table, key=place)}


def kept_draws(results: Mapping[str, Any]) -> dict[int, Scores]:
    """The scores of kept draws by how many are kept, ascending."""
    found = {
        int(name.removeprefix(_KEPT)): scores
        for name, scores in present(results).items()
        if name.startswith(_KEPT)
    }
    return dict(sorted(found.items()))


def rivals(results: Mapping[str, Any]) -> list[Rivals]:
    """Every Gaussian and compact mean with the most kept draws that it could be traded for."""
    kept = list(kept_draws(results))
    found: list[Rivals] = []
    for name, scores in present(results).items():
        is_rival = name.startswith(("direct", "compact")) or name in ("refined", "vi")
        count = max((k for k in kept if k <= scores["num_numbers"]), default=None)
        if is_rival and count is not None:
            equal = count == scores["num_numbers"]
            found.append(Rivals(name, f"{_KEPT}{count}", count, equal))
    return found


def representation_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of representations as text, its header first; a dash where there is no number."""
    table = present(results)
    is_regression = "rmse" in table["hmc"]
    score, proper = ("rmse", "crps") if is_regression else ("accuracy", "brier")
    names = (score, "nll", proper, "ece", "agreement", "total_variation")
    words = {"rmse": "RMSE", "crps": "CRPS", "nll": "NLL", "ece": "ECE", "total_variation": "TV"}
    titles = [words.get(name, name.capitalize()) for name in names]
    header = ("Representation", "Numbers/weight", *titles)
    return [header] + [
        (
            label(name),
            whole(scores["num_numbers"]),
            *(fixed(scores.get(score_name)) for score_name in names),
        )
        for name, scores in table.items()
    ]
