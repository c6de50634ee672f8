"""describe: what a run of a file takes its data for, in a few lines, before it begins."""

import textwrap
from collections.abc import Sequence

from onebasin.data.load import is_data_file
from onebasin.run.setup import Setup

_MOST_LETTERS = 300


def describe(setup: Setup) -> list[str]:
    """The task, the target, the inputs, the split and the network, and what the reader guessed.

    Nothing is said of built-in data sets.
    """
    data, config = setup.dataset, setup.config
    if not is_data_file(config.data.name):
        return []
    target = "" if data.target_name is None else f" of column {data.target_name!r}"
    classes = ""
    if data.num_classes is not None:
        names = data.class_names or tuple(map(str, range(data.num_classes)))
        classes = f", {data.num_classes} classes: {_listed(names)}"
    inputs = "" if data.feature_names is None else f": {_listed(data.feature_names)}"
    parts = f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,}"
    return [
        f"Data: {config.data.name}",
        f"Task: {data.task}{target}{classes}",
        f"Inputs: {data.num_features:,}{inputs}",
        f"Examples: {parts} test",
        f"Network: {setup.network_name}",
        *(f"Note: {note}" for note in data.notes),
        "Each of these can be changed, for example with --set data.target=NAME.",
    ]


def _listed(names: Sequence[str]) -> str:
    return textwrap.shorten(", ".join(names), _MOST_LETTERS, placeholder=" ...")
