"""The figure of the frontier: all that is compared is named, and kept draws are a line."""

from pathlib import Path

import numpy as np
import pytest
from frontier_tables import NUMBERS, made_up_seed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from onebasin.plots.theme import LIGHT, drawn_on
from onebasin.studies.frontier.figures import draw_frontier, frontier
from onebasin.studies.frontier.path_figure import frontier_path
from onebasin.studies.frontier.table import table_over_seeds

_HIDDEN = ("hmc", "kept-", "compact-by-")
SHOWN = {name for name in NUMBERS if not name.startswith(_HIDDEN) and "-pull-" not in name}
ROWS = table_over_seeds([made_up_seed(scale) for scale in (1.0, 1.1, 0.95)])


@pytest.fixture(scope="module")
def figure() -> Figure:
    with drawn_on(LIGHT):
        drawn = frontier(ROWS, LIGHT)
        FigureCanvasAgg(drawn).draw()
    return drawn


def test_every_representation_is_named_but_marks_and_the_path(figure: Figure) -> None:
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert texts >= SHOWN
    assert not texts & (set(NUMBERS) - SHOWN)


def test_kept_draws_are_a_line_from_few_to_many(figure: Figure) -> None:
    line = next(line for line in figure.axes[0].lines if line.get_label() == "kept draws")
    kept = ROWS[ROWS["representation"].str.startswith("kept-")]
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 8])
    np.testing.assert_allclose(line.get_ydata(), kept["total_variation"])


def test_refinements_have_a_color_of_their_own(figure: Figure) -> None:
    colors = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colors["refined-elbo"] == LIGHT.vermilion
    assert {colors[name] for name in SHOWN - {"refined-elbo"}} == {LIGHT.blue}


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_table_of_any_number_of_seeds_is_drawn_to_a_png_file(
    num_seeds: int, tmp_path: Path
) -> None:
    draw_frontier(table_over_seeds([made_up_seed()] * num_seeds), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"frontier.png", "path.png"}
    for path in tmp_path.iterdir():
        height, width, _ = imread(path, format="png").shape
        assert min(height, width) > 400


def test_the_path_runs_from_variational_inference_to_the_samples() -> None:
    with drawn_on(LIGHT):
        drawn = frontier_path(ROWS, LIGHT)
    above = drawn.axes[0]
    (line,) = above.lines
    tv = ROWS.set_index("representation")["total_variation"]
    names = ["refined-elbo", "refined-elbo-pull-1", "compact"]
    np.testing.assert_allclose(line.get_ydata(), tv[names])
    assert {text.get_text() for text in above.texts} >= {"pull 0", "pull 1", "aligned samples"}
