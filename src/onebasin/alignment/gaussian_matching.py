"""Gaussian matching: units go to the places at which a Gaussian finds them most probable."""

import equinox as eqx
import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.alignment.matching import Features
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Array, Params


def gaussian_matching(
    given: DiagonalGaussian | None = None, floor: float = 1e-3
) -> "GaussianMatching":
    r"""Relabel by likelihood: $\max_p \log \mathcal N(P_p(w);\ m, \mathrm{diag}(v))$.

    $m$ and $v = \max(\overline{w^2} - m^2, 0) + \epsilon$ are those of the draws aligned so far;
    $\epsilon$ is `floor` times the mean square of all weights, which no permutation changes. The
    objective is the log density of a draw in nats less the penalty $\sum_i \epsilon / 2 v_i$;
    its mean over draws never decreases over rounds, as $m, v$ and the permutations each
    maximize it in turn. One network has one variance everywhere: matched to it, this is weight
    matching. It ends in a local optimum, so begin with the result of an iterated mean of weights.

    With `given`, draws are matched to that Gaussian, and the objective is its log density.

    Raises:
        ValueError: For a floor that is not positive, or a given std that is not.

    Examples:
        >>> matching = ob.alignment.gaussian_matching()
        >>> start = ob.align(samples, symmetry)
        >>> ob.align(samples, symmetry, matching, ob.to_mean(start=start)).matching
        'gaussian'

    Source: Stephens (2000), J. R. Statist. Soc. B 62, section 4, with Gaussian weights.
    """
    if not 0 < floor < float("inf"):
        raise ValueError(f"floor must be positive and finite. Got {floor}. Try 1e-3.")
    if given is not None:
        given = DiagonalGaussian(*map(without_statistics, (given.mean, given.std)))
        _check(given)
    return GaussianMatching(given, floor)


class GaussianMatching(eqx.Module):
    """Units go to the places at which a Gaussian finds them most probable."""

    given: DiagonalGaussian | None
    floor: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """What reports call it."""
        return "gaussian"

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """That of weights and their squares: a square has no sign."""
        weights = symmetry.of_weights
        return weights.within({"mean": weights.axes, "square": weights.axes}, ["mean"])

    def features(self, params: Params) -> Features:
        """The weights and their squares."""
        return _with_squares(without_statistics(params))

    def target(self, mean_features: Features) -> Features:
        r"""Times $w$ and $w^2$, all of the log density that depends on $w$."""
        mean, variance, _ = self._moments(mean_features)
        return {
            "mean": jax.tree.map(lambda m, v: np.asarray(m / v), mean, variance),
            "square": jax.tree.map(lambda v: np.asarray(-0.5 / v), variance),
        }

    def constant(self, mean_features: Features) -> float:
        r"""$-\tfrac12 \sum_i [\log 2\pi v_i + (m_i^2 + \epsilon) / v_i]$."""
        mean, variance, epsilon = self._moments(mean_features)

        def one(m: Array, v: Array) -> float:
            m, v = np.asarray(m, np.float64), np.asarray(v, np.float64)
            return float(-0.5 * (np.log(2 * np.pi * v) + (m**2 + epsilon) / v).sum())

        return sum(jax.tree.leaves(jax.tree.map(one, mean, variance)), 0.0)

    def _moments(self, mean_features: Features) -> tuple[Params, Params, float]:
        if self.given is None:
            return _moments(mean_features, self.floor)
        double = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        return double(self.given.mean), jax.tree.map(np.square, double(self.given.std)), 0.0


def _with_squares(weights: Params) -> Features:
    return {"mean": weights, "square": jax.tree.map(lambda w: w * w, weights)}


def _moments(mean_features: Features, floor: float) -> tuple[Params, Params, float]:
    """Mean, variance and the constant in the variance."""
    double = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
    mean, square = double(mean_features["mean"]), double(mean_features["square"])
    flat = _trees.ravel_batch(square, 0)
    # If every weight is 0, any variance will do.
    epsilon = floor * float(flat.mean()) or 1.0
    variance = jax.tree.map(
        lambda m, s: np.asarray(np.maximum(s - np.square(m), 0.0) + epsilon), mean, square
    )
    return mean, variance, epsilon


def _check(given: DiagonalGaussian) -> None:
    for name, std in _trees.named_leaves(given.std).items():
        smallest = float(np.min(std))
        if not smallest > 0:
            raise ValueError(
                "Every std of a Gaussian to match to must be positive. "
                f"Got {smallest} in {name}. Raise it to the least std that you believe in."
            )
