"""status: which steps of a run are done, how far its draws are, and how it goes on."""

from collections.abc import Mapping

from onebasin.run.config import check_config
from onebasin.run.kinds import title_of
from onebasin.run.manifest import BEGIN
from onebasin.run.results import STEPS, Step
from onebasin.run.run_directory import RunDirectory
from onebasin.run.trust import cautions
from onebasin.store.draws import num_committed


def status(run: RunDirectory) -> list[str]:
    """A run in lines of words: what to be careful with, each step, what to do next.

    Raises: StoreError if the config, the results or the record of the draws are damaged,
    ConfigError if this version cannot read the config.
    """
    run.check_intact(BEGIN)
    results = run.load_results()
    lines: list[str] = []
    if results is not None and results.summarize is not None:
        lines += cautions(results.config.method.kind, results.summarize.diagnostics)
    done = {} if results is None else results.seconds
    lines += [f"{step}: {_state(run, done, step)}" for step in STEPS]
    is_reported = "report" in done and run.report.exists()
    lines.append(f"report: {'written' if is_reported else 'not written'}")
    if is_reported and done.keys() >= {*STEPS}:
        return lines
    return [*lines, f"Go on with `onebasin resume {run.path}`."]


def _state(run: RunDirectory, done: Mapping[str, float], step: Step) -> str:
    if step in done:
        return f"done in {done[step]:.0f} s"
    if step != "sample":
        return "not done"
    method = check_config(run.config).method
    num_draws = num_committed(run.samples(method.kind))
    if num_draws is None:
        return "not done"
    title = title_of(method.kind)
    most = f"{'at most ' if method.limit > method.num_draws else ''}{method.limit}"
    return f"not done, {num_draws} of {most} draws of each chain of {title} are stored"
