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


class _Job(NamedTuple):
    """What an alignment works on."""

    request: Request
    network: Network
    draws: Draws
    judge: Judge | None
    on_progress: ProgressCallback

    @property
    def inputs(self) -> Array:
        """Inputs at which outputs are compared: test inputs, or random numbers without data."""
        if self.judge is not None:
            return self.judge.test.inputs[:_NUM_INPUTS]
        return example_inputs(self.network.symmetry)


def align_draws(
    folder: AlignedFolder,
    request: Request,
    network: Network,
    module: Any = None,
    on_progress: ProgressCallback = silent,
) -> AlignedResults:
    """Read draws, align them, and write everything but the page to a folder.

    Args:
        folder: The folder, which `check_free` has found free. It is emptied when all is measured.
        request: What is asked for.
        network: The network of the draws.
        module: The PyTorch module of checkpoints, if the network was made of one.
        on_progress: Called with the stage, its fraction that is done, and details.

    Raises:
        ValueError: If draws or data cannot be read, or do not fit the network.
    """
    begin = time.perf_counter()
    draws = _read(request, network, module, on_progress)
    judge = None if request.data is None else judge_of(request, network, draws)
    job = _Job(request, network, draws, judge, on_progress)
    with collected_warnings() as told:
        alignment = aligned_to(draws.samples, network.symmetry, request, on_progress)
        weights = weights_of(draws.samples, alignment, request, on_progress)
    results = _results(job, alignment, weights, told)
    folder.begin()
    on_progress("writing", 0.0, str(folder.path))
    _write(folder, draws, alignment, weights)
    seconds = round(time.perf_counter() - begin, 3)
    results = results.model_copy(update={"seconds": seconds})
    folder.save_results(results)
    return results


def _read(request: Request, network: Network, module: Any, on_progress: ProgressCallback) -> Draws:
    if example_inputs(network.symmetry) is None:
        raise ValueError(
            f"The symmetry of a network must know its function. Got {request.network}, whose "
            "symmetry knows none. Return ob.network(apply, params, inputs, symmetry=symmetry)."
        )
    on_progress("reading draws", 0.0, "")
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
    on_progress("read", 1.0, draws.read.words)
    return draws


def _results(job: _Job, alignment: Alignment, weights: Weights, told: list[str]) -> AlignedResults:
    """Everything that is found, in numbers."""
    request, samples, on_progress = job.request, job.draws.samples, job.on_progress
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
        texts = [name for name, found in node.variables.items() if found.dtype.kind == "U"]
        changed = {name: node[name].astype(object) for name in texts}  # Zarr 3 specifies no U
        node.dataset = node.to_dataset().assign_coords(changed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata")  # that Zarr 3 may yet change it
        tree.to_zarr(path)
