"""Fifty models of 46 tasks: pictures and the report stay within their bounds."""

import shutil
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from brodmann.figures.accuracy import draw_accuracy
from brodmann.figures.confounds import draw_confounds
from brodmann.figures.consistency import draw_consistency, draw_structure_function
from brodmann.figures.robustness import draw_robustness
from brodmann.figures.style import LARGEST, MARGIN, MOST_PIXELS, SINGLE, plt, save_figure
from brodmann.report.page import MOST_BYTES, Group, Page, Picture, Section, Table, write_page
from brodmann.statistics.accuracy import COLUMNS

MODELS = [f"organisation_Model-{number}-7B-Instruct" for number in range(50)]
DOMAINS = ("language", "formal", "physical", "social")
TASKS = [f"{domain}/task_number_{n}" for domain in DOMAINS for n in range(12)][:46]
RNG = np.random.default_rng(0)


def consistency(models=MODELS):
    tau = RNG.uniform(0.2, 0.9, (len(models), len(models)))
    return draw_consistency(
        pd.DataFrame((tau + tau.T) / 2, models, models), title="overlap", label="Kendall's tau"
    )


def accuracy():
    rows = []
    for model, task in product(MODELS, TASKS):
        share, domain = RNG.uniform(0.3, 1), task.partition("/")[0]
        rows.append((model, domain, task, share, share, share, 200, 200, 150, share > 0.4, ""))
    return draw_accuracy(pd.DataFrame(rows, columns=COLUMNS))


def structure_function():
    rows = list(product(MODELS, TASKS[::6], TASKS[::6]))
    table = pd.DataFrame(rows, columns=["model", "source", "target"])
    values = RNG.random((2, len(rows)))
    return draw_structure_function(
        table.assign(overlap=values[0], drop=values[1], rho="rho = 0.50"), title=""
    )


def robustness():
    table = pd.DataFrame(list(product(MODELS, (0.1, 1, 5))), columns=["model", "percent"])
    values = {name: RNG.random(len(table)) for name in ("within", "cross", "ratio", "ari")}
    return draw_robustness(table.assign(control=False, **values), title="")


def confounds():
    rows = product(MODELS, ("overlap", "drop"), ("domain", "domain_and_surface"))
    table = pd.DataFrame(list(rows), columns=["model", "outcome", "predictors"])
    middle = RNG.random(len(table))
    table = table.assign(control=False, coefficient=middle, low=middle - 0.1, high=middle + 0.1)
    return draw_confounds(table.assign(p=0.01), title="")


@pytest.mark.parametrize(
    "draw",
    [
        *(consistency, accuracy, robustness, confounds),
        # Fifty panels take long to draw.
        pytest.param(structure_function, marks=pytest.mark.slow),
    ],
)
def test_a_figure_of_fifty_models_is_bounded(tmp_path, draw):
    figure = draw()
    assert max(figure.get_size_inches()) <= LARGEST + 1e-6
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert max(picture.size) <= MOST_PIXELS
        # It is no blank sheet either.
        assert len(set(picture.convert("L").resize((60, 60)).tobytes())) > 10


def test_names_of_models_do_not_run_into_each_other():
    """Type shrinks with the cells."""
    for number in (4, 20, 50):
        figure = consistency(MODELS[:number])
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
        boxes.sort(key=lambda box: box.y0)
        gaps = [upper.y0 - lower.y0 for lower, upper in pairwise(boxes)]
        assert min(gaps) > 0.9 * max(box.height for box in boxes) / 1.4
        plt.close(figure)


def test_a_picture_that_is_too_large_has_fewer_dots(tmp_path):
    """Whatever draws it: labels that reach far out count, too."""
    figure, axes = plt.subplots(figsize=(30, 2))
    axes.text(1.5, 0.5, "far out", transform=axes.transAxes)
    save_figure(figure, tmp_path / "wide.png")
    small, _ = plt.subplots(figsize=(SINGLE, 2))
    save_figure(small, tmp_path / "small.png")
    with Image.open(tmp_path / "wide.png") as picture:
        assert MOST_PIXELS * 0.9 < picture.width <= MOST_PIXELS
    with Image.open(tmp_path / "small.png") as picture:
        # As ever: 300 to the inch.
        assert picture.width > 300 * (SINGLE - 1) and picture.info["dpi"][0] > 299
    assert MARGIN < 0.1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four figures for each of fifty models, as large as a heatmap of hundreds of tasks."""
    folder = tmp_path_factory.mktemp("results") / "figures"
    folder.mkdir()
    drawing = '<svg width="72pt" height="72pt"><text>{}</text></svg>'.format("x" * 550_000)
    (folder / "large.svg").write_text(drawing)
    found = {}
    for model in MODELS:
        for name in ("chord", "overlap.containment", "overlap.doubly_stochastic", "ablation"):
            path = folder / f"{name}.{model}.neurons.svg"
            shutil.copy(folder / "large.svg", path)
            found.setdefault(model, []).append(Picture(path, name, "A caption."))
    return found


def test_the_report_of_fifty_models_is_bounded(root, pictures):
    folder = next(iter(pictures.values()))[0].path.parent.parent
    story = Section("The story", figures=pictures[MODELS[-1]][:2])
    rows = [(model, *["0.1234"] * 12) for model in MODELS for _ in range(4)]
    tables = [Table("Sizes", ["a"] * 13, rows), Table("Short", ["a"] * 13, rows[:3])]
    own = [Group(f"Figures of {model}", figures=figures) for model, figures in pictures.items()]
    page = Page("A title", "", [story, Section("Tables", tables=tables), Section("Own", more=own)])
    template = root / "workflow/report/report.html.j2"
    write_page(folder / "report.html", page, template)
    text = (folder / "report.html").read_text(encoding="utf-8")
    # Pictures and a little text; without a bound there would be five times as much.
    assert 200 * len(pictures[MODELS[0]][0].data) > 5 * MOST_BYTES
    assert len(text.encode()) < 1.1 * MOST_BYTES
    # Every picture is there or linked, to a file beside the page.
    embedded, linked = text.count("<svg "), text.count("which would grow too large")
    assert embedded + linked == 2 + sum(map(len, pictures.values())) and linked > 0
    last = pictures[MODELS[-1]]
    for picture in last[2:]:
        assert f'href="figures/{picture.path.name}"' in text
        assert (folder / "figures" / picture.path.name).is_file()
    # The story comes first: its pictures are held wherever they stand.
    for picture in last[:2]:
        assert f'href="figures/{picture.path.name}"' not in text
    # A long table is folded, a short one is not.
    assert "<summary>Sizes (200 rows)</summary>" in text and "<summary>Short" not in text


def test_what_fits_is_in_the_page(root, tmp_path, pictures):
    few = pictures[MODELS[0]]
    page = Page("A title", "", [Section("One", figures=few)])
    write_page(tmp_path / "report.html", page, root / "workflow/report/report.html.j2")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg ") == len(few) and "grow too large" not in text
