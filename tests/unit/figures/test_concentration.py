"""The figure of how few units carry a task."""

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from brodmann.figures.concentration import curve, draw_concentration
from brodmann.figures.draw import draw_family
from brodmann.figures.registry import ENDINGS
from brodmann.figures.style import plt


def test_shares_are_those_of_a_geometric_series():
    """Attributions r^k of either sign, shuffled: the k strongest hold (1 - r^k) / (1 - r^n)."""
    ratio, n = 0.8, 60
    rng = np.random.default_rng(0)
    values = ratio ** np.arange(n) * rng.choice([-1, 1], n)
    found = curve(rng.permutation(values).reshape(4, 15))
    expected = (1 - ratio ** found["rank"]) / (1 - ratio**n)
    np.testing.assert_allclose(found["share"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["percent"], 100 * found["rank"] / n)
    assert found["rank"].iloc[0] == 1 and found["rank"].iloc[-1] == n


def test_nothing_is_shown_of_tasks_without_attribution():
    assert curve(np.zeros((0, 0))).empty and curve(np.zeros((2, 3))).empty


def test_the_figure_is_drawn_from_the_files_of_the_tasks(tmp_path):
    rng = np.random.default_rng(1)
    tasks = ["language/one", "formal/two", "social/excluded"]
    shapes = [(3, 40), (3, 40), (0, 0)]
    files = []
    for number, shape in enumerate(shapes):
        files.append(str(tmp_path / f"{number}.safetensors"))
        save_file({"attribution": rng.normal(size=shape).astype(np.float32)}, files[-1])
    settings = {"title": "tiny", "tasks": tasks, "percent": 5.0}
    draw_family(
        "concentration_figure",
        {"attributions": files},
        settings,
        model="tiny",
        component="neurons",
        folder=tmp_path,
    )
    written = {path.suffix for path in tmp_path.glob("concentration.tiny.neurons.*")}
    assert written == set(ENDINGS)
    table = pd.read_csv(tmp_path / "concentration.tiny.neurons.csv")
    assert set(table["task"]) == set(tasks[:2])
    assert dict(zip(table["task"], table["domain"], strict=True))["formal/two"] == "formal"
    last = table.groupby("task")["share"].last()
    np.testing.assert_allclose(last, 1)


def test_domains_are_told_apart_without_colour_and_circuits_marked():
    parts = [
        curve(np.random.default_rng(n).normal(size=(2, 50))).assign(
            task=f"{domain}/t{n}", domain=domain
        )
        for n, domain in enumerate(["language", "formal", "physical", "social"])
    ]
    figure = draw_concentration(pd.concat(parts), 0.5, title="")
    lines = figure.axes[0].get_lines()
    means = [line for line in lines if line.get_linewidth() > 1]
    assert len({line.get_linestyle() for line in means}) == len(means) == 4
    assert any(np.allclose(line.get_xdata(), 0.5) for line in lines)
    assert figure.axes[0].get_xlim()[0] <= 0.5  # less than a unit, and still in view
    plt.close(figure)


def test_a_model_without_tasks_says_so():
    figure = draw_concentration(pd.DataFrame(columns=["task"]), 1.0, title="tiny")
    assert "no task" in figure.axes[0].texts[0].get_text()
    plt.close(figure)
