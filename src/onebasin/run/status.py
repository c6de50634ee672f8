"""status: which steps of a run are done, how far its draws are, and how it goes on."""

from onebasin.run.config import check_config
from onebasin.run.results import STEPS, Results, Step
from onebasin.run.run_directory import RunDirectory
from onebasin.store.draws import num_committed


def status(run: RunDirectory) -> list[str]:
    """A run in lines of words: a warning if HMC has not converged, each step, what to do next.

    Raises: StoreError if the results or the record of the draws are damaged, ConfigError if the
    config is.
    """
    results = run.load_results()
    warning = None
    if results is not None and results.summarize is not None:
        warning = results.summarize.diagnostics.warning
    lines = [] if warning is None else [warning]
    lines += [f"{step}: {_state(run, results, step)}" for step in STEPS]
    lines.append(f"report: {'written' if run.report.exists() else 'not written'}")
    is_finished = all(run.is_done(step) for step in STEPS) and run.report.exists()
    return lines if is_finished else [*lines, f"Go on with `onebasin resume {run.path}`."]


def _state(run: RunDirectory, results: Results | None, step: Step) -> str:
    if results is not None and results.of_step(step) is not None:
        return f"done in {results.seconds[step]:.0f} s"
    num_draws = num_committed(run.samples("hmc")) if step == "sample" else None
    if num_draws is None:
        return "not done"
    wanted = check_config(run.config).hmc.num_draws
    return f"not done, {num_draws} of {wanted} draws of each chain of HMC are stored"
