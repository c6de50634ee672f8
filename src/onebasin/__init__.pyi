"""The public names: `import onebasin` reads this list, and loads each when it is first used."""

from .adapters.equinox import from_equinox as from_equinox
from .adapters.flax import from_flax as from_flax
from .adapters.haiku import from_haiku as from_haiku
from .adapters.pytorch import from_torch as from_torch, to_torch as to_torch
from .alignment.activation_matching import activation_matching as activation_matching
from .alignment.align import Alignment as Alignment, align as align
from .alignment.bring import (
    bring_to as bring_to,
    permute_gaussian as permute_gaussian,
)
from .alignment.gaussian_matching import gaussian_matching as gaussian_matching
from .alignment.matching import Matching as Matching
from .alignment.mixed_matching import mixed_matching as mixed_matching
from .alignment.null import (
    null_draws as null_draws,
    null_floor as null_floor,
    rms as rms,
)
from .alignment.problem import Round as Round
from .alignment.reference import (
    Reference as Reference,
    to as to,
    to_densest as to_densest,
    to_first as to_first,
    to_mean as to_mean,
)
from .alignment.significance import (
    Significance as Significance,
    significant_share as significant_share,
    std_significance as std_significance,
)
from .alignment.transpositions import (
    transpositions_between_chains as transpositions_between_chains,
    transpositions_by_lag as transpositions_by_lag,
)
from .alignment.weight_matching import weight_matching as weight_matching
from .data import (
    DataError as DataError,
    Dataset as Dataset,
    load_dataset as load_dataset,
)
from .diagnostics import (
    sampler_health as sampler_health,
    weight_convergence as weight_convergence,
)
from .fisher.importance import fisher_importance as fisher_importance
from .gaussians.compare import (
    kl_divergence as kl_divergence,
    wasserstein2 as wasserstein2,
)
from .gaussians.factor_analysis import factor_analysis as factor_analysis
from .gaussians.gaussian import (
    DiagonalGaussian as DiagonalGaussian,
    LowRankGaussian as LowRankGaussian,
    load_gaussian as load_gaussian,
    summarize as summarize,
)
from .gaussians.mixture import (
    GaussianMixture as GaussianMixture,
    load_mixture as load_mixture,
)
from .inference.ensemble import deep_ensemble as deep_ensemble
from .inference.hmc import hmc as hmc
from .inference.method import Method as Method, inits as inits
from .inference.sample import (
    Progress as Progress,
    sample as sample,
    set_cpu_devices as set_cpu_devices,
)
from .inference.vi import (
    mean_field_vi as mean_field_vi,
    mean_logdensity as mean_logdensity,
    refine as refine,
)
from .models.convnet import convnet as convnet
from .models.lstm import lstm as lstm
from .models.mlp import mlp as mlp
from .models.network import Network as Network
from .models.posterior import Posterior as Posterior, posterior as posterior
from .models.resnet20 import resnet20 as resnet20
from .models.vit import vit as vit
from .prediction.evaluate import evaluate as evaluate
from .prediction.kept_draws import chosen_draws as chosen_draws
from .prediction.match import (
    mixed_inputs as mixed_inputs,
    predictive_match as predictive_match,
)
from .prediction.predict import predict as predict
from .prediction.tempering import (
    fit_temperature as fit_temperature,
    fit_temperatures as fit_temperatures,
    temper as temper,
)
from .pruning.conditional import conditional_copies as conditional_copies
from .pruning.prune import prune as prune
from .samples import Samples as Samples
from .store.draws import (
    SampleWriter as SampleWriter,
    load_samples as load_samples,
    save_samples as save_samples,
)
from .store.errors import StoreError as StoreError
from .symmetry.axes import (
    Axes as Axes,
    Blocks as Blocks,
    Place as Place,
    Sign as Sign,
    Symmetry as Symmetry,
)
from .symmetry.balance import balance as balance
from .symmetry.discovery.find import find_symmetry as find_symmetry
from .symmetry.permutation import Permutation as Permutation
from .symmetry.permute import permute as permute
from .symmetry.random_permutation import (
    random_num_transpositions as random_num_transpositions,
    random_permutation as random_permutation,
)
from .symmetry.verify import Verified as Verified, verify as verify

__version__: str
