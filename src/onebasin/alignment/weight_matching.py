"""Weight matching: units are similar where all weights that touch them are."""

from onebasin.alignment.matching import Matching


def weight_matching() -> Matching:
    r"""Match units by all tensors that touch them: incoming, bias and outgoing weights.

    $\max_p \langle W_a, P_p(W_b) \rangle$ over every leaf. Large output weights dominate
    where scales differ between layers.

    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 3.2.
    """
    return Matching(
        name="weights",
        symmetry=lambda symmetry: symmetry,
        features=lambda params: params,
        target=lambda mean_features: mean_features,
    )
