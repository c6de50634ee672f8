"""align_draws: from draws and a network to a folder with everything that they show."""

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from onebasin._collections import without_statistics
from onebasin.aligned.folder import AlignedFolder
from onebasin.aligned.measure import (
    Weights,
    aligned_to,
    collected_warnings,
    convergence_found,
    example_inputs,
    quality_of,
    spread_of,
    symmetry_found,
    transpositions_of,
    weights_of,
)
from onebasin.aligned.predictions import Judge, judge_of, noise_variable, predictions_of
from onebasin.aligned.read import Draws, read_draws
from onebasin.aligned.results import AlignedResults, Request
from onebasin.alignment import Alignment
from onebasin.knowledge import to_datatree
from onebasin.networks import Network
from onebasin.run.run import versions
from onebasin.run.setup import ProgressCallback, silent
from onebasin.run.steps.knowledge import knowledge_of
from onebasin.run.steps.summarize import ess_by_array, floor_of
from onebasin.run.trust import NullFloor
from onebasin.store.files import write_text
from onebasin.types import Array

if TYPE_CHECKING:
    import xarray

_NUM_INPUTS = 64
"""At how many test inputs outputs are asked whether chains have converged."""


class Job(NamedTuple):
    """What an alignment works on: the request, the network, the draws, and data if there are any.

    `read_job` reads it.
    """

    request: Request
    network: Network
    draws: Draws
    judge: Judge | None

    @property
    def inputs(self) -> Array:
        """Inputs at which outputs are compared: test inputs, or random numbers without data."""
        if self.judge is not None:
            return self.judge.test.inputs[:_NUM_INPUTS]
        return example_inputs(self.network.symmetry)


def read_job(request: Request, network: Network, module: Any = None) -> Job:
    """Read the draws and the data that a request names.

    Args:
        request: What is asked for.
        network: The network of the draws.
        module: The PyTorch module of checkpoints, if the network was made of one.

    Raises:
        ValueError: If draws or data cannot be read, or do not fit the network.
    """
    if example_inputs(network.symmetry) is None:
        raise ValueError(
            f"The symmetry of a network must know its function. Got {request.network}, whose "
            "symmetry knows none. Return ob.network(apply, params, inputs, symmetry=symmetry)."
        )
    draws = read_draws(
        request.draws,
        jax.eval_shape(network.init, jax.random.key(0)),
        module=module,
        names=request.names,
        num_chains=request.chains,
        noise=noise_variable(request),
    )
    if draws.read.total < 2:
        raise ValueError("Alignment needs at least 2 draws. Got 1. Name more files.")
    judge = None if request.data is None else judge_of(request, network, draws)
    return Job(request, network, draws, judge)


def align_draws(
    folder: AlignedFolder, job: Job, on_progress: ProgressCallback = silent
) -> AlignedResults:
    """Align the draws of a job, and write everything but the page to a folder.

    Args:
        folder: The folder, which `check_free` has found free. It is emptied when all is measured.
        job: The draws and the network.
        on_progress: Called with the stage, its fraction that is done, and details.

    Raises:
        ValueError: If a draw is not finite.
    """
    begin = time.perf_counter()
    samples = job.draws.samples
    with collected_warnings() as told:
        alignment = aligned_to(samples, job.network.symmetry, job.request, on_progress)
        weights = weights_of(samples, alignment, job.request, on_progress)
    results = _results(job, alignment, weights, told, on_progress)
    folder.begin()
    on_progress("writing", 0.0, str(folder.path))
    _write(folder, job.draws, alignment, weights)
    seconds = round(time.perf_counter() - begin, 3)
    results = results.model_copy(update={"seconds": seconds})
    folder.save_results(results)
    return results


def _results(
    job: Job,
    alignment: Alignment,
    weights: Weights,
    told: list[str],
    on_progress: ProgressCallback,
) -> AlignedResults:
    """Everything that is found, in numbers."""
    request, samples = job.request, job.draws.samples
    on_progress("counting transpositions", 0.0, "")
    transpositions = transpositions_of(samples, alignment.symmetry)
    predictions = None
    if job.judge is not None:
        predictions = predictions_of(
            job.judge, job.draws, alignment, weights.gaussians, request.seed, on_progress
        )
    on_progress("diagnostics", 0.9, "R-hat and effective sample sizes of outputs")
    aligned, inputs = alignment.apply(samples), job.inputs
    return AlignedResults(
        request=request,
        versions=versions(),
        draws=job.draws.read,
        symmetry=symmetry_found(alignment.symmetry, told),
        alignment=quality_of(alignment, samples, job.network, inputs, request),
        transpositions=transpositions,
        spread=spread_of(weights.gaussians),
        convergence=convergence_found(samples, aligned, job.network, inputs, job.judge is not None),
        weights=None if weights.table is None else knowledge_of(weights.table),
        null_floor=_floor(weights),
        predictions=predictions,
    )


def _floor(weights: Weights) -> NullFloor | None:
    if weights.table is None:
        return None
    names = ("aligned", "null", "unaligned")
    stds = (without_statistics(weights.gaussians[name].std) for name in names)
    return floor_of(*stds, ess=ess_by_array(weights.table))


def _write(folder: AlignedFolder, draws: Draws, alignment: Alignment, weights: Weights) -> None:
    """Write the DataTree, the Gaussians that figures need, and the symmetry."""
    for name, gaussian in weights.gaussians.items():
        gaussian.save(folder.gaussian(name))
    write_text(folder.symmetry, alignment.symmetry.to_json())
    tree = to_datatree(
        alignment, draws.samples, table=weights.table, floor=weights.gaussians["null"]
    )
    _write_tree(tree, folder.tree)


def _write_tree(tree: "xarray.DataTree", path: Path) -> None:
    """Write a DataTree to a Zarr store, with one record of all metadata, which readers expect."""
    for node in tree.subtree:
        texts = [str(name) for name, found in node.variables.items() if found.dtype.kind == "U"]
        changed = {name: node[name].astype(object) for name in texts}  # Zarr 3 specifies no U
        node.dataset = node.to_dataset().assign_coords(changed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata")  # that Zarr 3 may yet change it
        tree.to_zarr(path)
