"""One basin for the posterior samples of a Bayesian neural network.

The public names, and nothing else.
"""

from onebasin.alignment.activation_matching import activation_matching as activation_matching
from onebasin.alignment.align import Alignment as Alignment, align as align
from onebasin.alignment.gaussian_matching import gaussian_matching as gaussian_matching
from onebasin.alignment.matching import Matching as Matching
from onebasin.alignment.mixed_matching import mixed_matching as mixed_matching
from onebasin.alignment.null import (
    null_draws as null_draws,
    null_floor as null_floor,
    rms as rms,
)
from onebasin.alignment.significance import (
    Significance as Significance,
    significant_share as significant_share,
    std_significance as std_significance,
)
from onebasin.alignment.weight_matching import weight_matching as weight_matching
from onebasin.analysis.compare import (
    bring_to as bring_to,
    kl_divergence as kl_divergence,
    permute_gaussian as permute_gaussian,
    wasserstein2 as wasserstein2,
)
from onebasin.analysis.diagnostics import (
    sampler_health as sampler_health,
    weight_convergence as weight_convergence,
)
from onebasin.analysis.factor_analysis import factor_analysis as factor_analysis
from onebasin.analysis.importance import fisher_importance as fisher_importance
from onebasin.analysis.kept import chosen_draws as chosen_draws
from onebasin.analysis.predictive import evaluate as evaluate, predict as predict
from onebasin.analysis.pruning import prune as prune
from onebasin.analysis.pruning_conditional import conditional_copies as conditional_copies
from onebasin.analysis.refinement import (
    mixed_inputs as mixed_inputs,
    predictive_match as predictive_match,
)
from onebasin.analysis.tempering import (
    fit_temperature as fit_temperature,
    fit_temperatures as fit_temperatures,
    temper as temper,
)
from onebasin.analysis.transpositions import (
    transpositions_between_chains as transpositions_between_chains,
    transpositions_by_lag as transpositions_by_lag,
)
from onebasin.data import (
    DataError as DataError,
    Dataset as Dataset,
    load_dataset as load_dataset,
)
from onebasin.gaussian import (
    DiagonalGaussian as DiagonalGaussian,
    LowRankGaussian as LowRankGaussian,
    load_gaussian as load_gaussian,
    summarize as summarize,
)
from onebasin.gaussian_mixture import (
    GaussianMixture as GaussianMixture,
    load_mixture as load_mixture,
)
from onebasin.inference.ensemble import deep_ensemble as deep_ensemble
from onebasin.inference.hmc import hmc as hmc
from onebasin.inference.method import Method as Method, inits as inits
from onebasin.inference.sample import (
    Progress as Progress,
    sample as sample,
    set_cpu_devices as set_cpu_devices,
)
from onebasin.inference.vi import (
    mean_field_vi as mean_field_vi,
    mean_logdensity as mean_logdensity,
    refine as refine,
)
from onebasin.models.adapters.equinox import from_equinox as from_equinox
from onebasin.models.adapters.flax import from_flax as from_flax
from onebasin.models.adapters.haiku import from_haiku as from_haiku
from onebasin.models.adapters.pytorch import from_torch as from_torch, to_torch as to_torch
from onebasin.models.convnet import convnet as convnet
from onebasin.models.lstm import lstm as lstm
from onebasin.models.mlp import mlp as mlp
from onebasin.models.network import Network as Network
from onebasin.models.posterior import Posterior as Posterior, posterior as posterior
from onebasin.models.resnet20 import resnet20 as resnet20
from onebasin.models.vit import vit as vit
from onebasin.samples import Samples as Samples
from onebasin.store.draws import (
    SampleWriter as SampleWriter,
    load_samples as load_samples,
    save_samples as save_samples,
)
from onebasin.store.errors import StoreError as StoreError
from onebasin.symmetry.axes import (
    Axes as Axes,
    Blocks as Blocks,
    Place as Place,
    Sign as Sign,
    Symmetry as Symmetry,
)
from onebasin.symmetry.balance import balance as balance
from onebasin.symmetry.discovery.find import find_symmetry as find_symmetry
from onebasin.symmetry.permutation import (
    compose as compose,
    invert as invert,
    num_transpositions as num_transpositions,
    permute as permute,
)
from onebasin.symmetry.random_permutation import (
    random_num_transpositions as random_num_transpositions,
    random_permutation as random_permutation,
)

__version__ = "0.1.0"
from onebasin.symmetry.verify import Verified as Verified, verify as verify
