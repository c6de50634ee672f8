"""Figures: files that hold a picture, drawn the same every time, with nothing clipped."""

import base64
import io
import struct

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.labels import Label, place_labels
from onebasin.plots.theme import DARK, LIGHT, drawn_on, new_figure
from onebasin.report.figures.std_maps import input_stds
from onebasin.report.figures.transpositions import transpositions
from onebasin.report.figures.weights import pairs
from onebasin.report.write import exhibits_of
from onebasin.run.representations import COMPACT_ENSEMBLE, VI

pytestmark = pytest.mark.slow  # whole runs are made for these tests

COMMON = {"representations", "std-maps", "null-floor", "weights", "transpositions", "pruning"}


def names(report) -> set[str]:
    return {path.stem for path in (report.run.path / "figures").iterdir()}


def test_images_get_every_figure_and_maps_of_single_units(digits) -> None:
    assert names(digits) == COMMON | {"unit-maps", "knowledge-maps"}


def test_tables_get_every_figure_but_maps_of_single_units(diabetes) -> None:
    assert names(diabetes) == COMMON


def test_every_figure_is_a_png_that_shows_something(report) -> None:
    for name in names(report):
        pixels = imread(report.run.figure(name))
        assert min(pixels.shape[:2]) > 400, name
        assert pixels[..., :3].std() > 0.05, name
        grays = (255 * pixels[..., :3].mean(axis=-1)).astype(np.uint8)
        assert len(np.unique(grays)) > 50, name


def test_no_partial_file_is_left(report) -> None:
    assert not list(report.run.path.rglob("*.partial"))


@pytest.fixture(scope="module", params=["digits", "diabetes"])
def drawn(request: pytest.FixtureRequest) -> list[tuple[Exhibit, FigureCanvasAgg]]:
    """Every figure of a run, drawn once for the tests that look at its panels."""
    found = []
    for exhibit in exhibits_of(request.getfixturevalue(request.param).findings):
        with drawn_on(LIGHT):
            canvas = FigureCanvasAgg(exhibit.draw(LIGHT))
            canvas.draw()
        found.append((exhibit, canvas))
    return found


def test_nothing_is_clipped_at_the_edges_of_a_figure(drawn) -> None:
    for exhibit, canvas in drawn:
        with drawn_on(LIGHT):
            found = canvas.figure.get_tightbbox(canvas.get_renderer())
        width, height = canvas.figure.get_size_inches()
        assert found.x0 >= 0, exhibit.name
        assert found.y0 >= 0, exhibit.name
        assert found.x1 <= width, exhibit.name
        assert found.y1 <= height, exhibit.name


def test_every_panel_with_data_names_its_axes(drawn) -> None:
    for exhibit, canvas in drawn:
        is_map = exhibit.name in ("unit-maps", "knowledge-maps")
        if is_map or (exhibit.name == "std-maps" and "pixel" in exhibit.title):
            continue  # pixels have no unit
        labels = [axes.get_xlabel() + axes.get_ylabel() for axes in canvas.figure.axes]
        assert all(labels), exhibit.name


def test_a_figure_is_the_same_every_time(digits) -> None:
    exhibit = transpositions(digits.findings)
    assert exhibit.png() == exhibit.png()


def test_dark_and_light_figures_have_one_size_and_other_paper(digits) -> None:
    exhibit = transpositions(digits.findings)
    light, dark = (imread(io.BytesIO(exhibit.png(theme))) for theme in (LIGHT, DARK))
    assert light.shape == dark.shape
    assert light[0, 0, :3].mean() > 0.9
    assert dark[0, 0, :3].mean() < 0.2


def test_a_users_own_matplotlib_settings_change_nothing_and_stay(digits) -> None:
    exhibit = transpositions(digits.findings)
    expected = exhibit.png()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert exhibit.png() == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_the_page_embeds_every_figure_and_says_its_size(report) -> None:
    for name in names(report):
        png = report.run.figure(name).read_bytes()
        width, height = struct.unpack(">II", png[16:24])
        encoded = base64.b64encode(png).decode()
        assert f'src="data:image/png;base64,{encoded}" width="{width}" height="{height}"' in (
            report.html
        )


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_crowded_points_do_not_overlap_and_stay_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.3, 0.7, (8, 2))
    with drawn_on(LIGHT):
        figure = new_figure(5.0)
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        labels = [Label(x, y, f"label {row}", "black") for row, (x, y) in enumerate(points)]
        place_labels(figure, axes, labels, [np.array([(0.0, 0.2), (1.0, 0.2)])])
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 8
    for row, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:row])
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0
        assert box.y1 <= axes.bbox.y1


def test_the_std_of_an_input_is_the_root_mean_square_over_hidden_units(digits) -> None:
    kernel = np.asarray(digits.findings.gaussian("compact").std["hidden_0"]["kernel"])
    expected = [np.sqrt(np.mean(row.astype(np.float64) ** 2)) for row in kernel]
    np.testing.assert_allclose(input_stds(digits.findings)["compact"], expected, rtol=1e-6)


def test_the_noise_of_a_regression_is_no_input(diabetes) -> None:
    assert all(len(stds) == 10 for stds in input_stds(diabetes.findings).values())


def test_weights_are_compared_before_and_after_alignment(digits) -> None:
    found = pairs(digits.findings)
    assert [(p.quantity, p.other, p.is_aligned) for p in found] == [
        (quantity, other, is_aligned)
        for other in (VI, COMPACT_ENSEMBLE)
        for quantity in ("mean", "std")
        for is_aligned in (False, True)
    ]
    assert not np.array_equal(found[0].theirs, found[1].theirs)
    np.testing.assert_array_equal(np.sort(found[0].theirs), np.sort(found[1].theirs))


def test_a_side_that_does_not_vary_has_no_correlation(digits) -> None:
    pair = pairs(digits.findings)[0]
    assert pair._replace(ours=np.zeros_like(pair.ours)).correlation is None
    assert pair._replace(ours=pair.theirs**3).correlation == pytest.approx(1.0)
