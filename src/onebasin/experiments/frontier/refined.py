"""Refined representations: a Gaussian moved from the aligned samples to where it predicts."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from onebasin import _trees
from onebasin.analysis.predictive import predict
from onebasin.analysis.refinement import predictive_match
from onebasin.analysis.tempering import fit_temperature, temper
from onebasin.experiments.frontier.basin import Basin, as_draws
from onebasin.gaussian import DiagonalGaussian, summarize
from onebasin.inference.method import Method
from onebasin.inference.sample import sample
from onebasin.inference.vi import DrawsObjective, mean_logdensity, refine


class Refinement(NamedTuple):
    """How a Gaussian is refined: towards what, how strongly held, for how long."""

    objective: str
    pull: float = 0.0
    num_steps: int = 3000
    num_particles: int = 8
    learning_rate: float = 5e-3
    batch_size: int = 256
