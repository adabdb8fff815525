"""The figure and the report's part on estimators, from tables that are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from brodmann.circuits.trials import COLUMNS, SECONDS, summarised
from brodmann.config.load import load_config
from brodmann.figures.estimators import draw_trials
from brodmann.report.estimators import estimators_part
from brodmann.report.prose import Prose
from brodmann.store.tables import write_frame

TASKS = ("language/a", "formal/b", "social/c")
PAIRS = {("patching", "last"): [0.2, 0.4, 0.6], ("relp", "all"): [0.5, 0.6, 0.9]}


def table():
    found = pd.DataFrame(
        [
            {"task": task, "estimator": pair[0], "positions": pair[1], "rank_correlation": value}
            for pair, values in PAIRS.items()
            for task, value in zip(TASKS, values, strict=True)
        ]
    )
    return found.assign(reliability=0.5, n_items=8, n_units=20).reindex(columns=list(COLUMNS))


def test_a_line_for_every_estimator_with_its_mean():
    figure = draw_trials(table(), summarised(table(), 0), title="t")
    left = figure.axes[0]
    names = [text.get_text() for text in left.get_yticklabels()]
    assert names == ["attribution patching, last token", "relevance patching, all tokens"]
    means = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(means, [0.4, 2 / 3])
    dots = [line.get_xdata()[0] for line in left.lines if line.get_linestyle() == "None"]
    assert {0.2, 0.4, 0.6, 0.5, 0.9} <= {*dots}
    assert len(figure.axes) == 2  # no area is known
    areas = table().assign(cpr=[0.5, 0.7, np.nan, 0.2, 0.4, 0.6])
    figure = draw_trials(areas, summarised(areas, 0), title="t")
    assert figure.axes[2].get_title(loc="left").endswith("(CPR)")
    means = [line.get_xdata()[0] for line in figure.axes[2].lines if line.get_marker() == "|"]
    np.testing.assert_allclose(means, [0.6, 0.4])
    assert draw_trials(table().iloc[:0], summarised(table().iloc[:0], 0), title="t").axes


def test_the_report_names_the_best_with_its_gain(root, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "models: {m: {source: 'hf:o/n'}}\n"
        "attribution: {agreement: {tasks: ['language/npi'], estimators: [patching at last, relp at all]}}\n"
    )
    study = load_config([config], root=root).study
    folder = tmp_path / "m" / "attribution"
    folder.mkdir(parents=True)
    write_frame(folder / "neurons.estimators.csv", table())
    write_frame(folder / "neurons.estimators.summary.csv", summarised(table(), 0))
    seconds = table().assign(seconds=[1.0] * 3 + [4.0] * 3).reindex(columns=list(SECONDS))
    write_frame(folder / "neurons.estimators.seconds.csv", seconds)
    sources = SimpleNamespace(
        study=study,
        results=tmp_path,
        say=Prose(root / "workflow" / "report"),
        called=lambda name: name,
        figures=lambda *_: [],
    )
    part = estimators_part(sources)
    [said] = part.lead
    assert said.startswith("m, neurons: relevance patching, all tokens agrees best")
    assert "0.67 over 3 tasks" in said and "is 0.27 lower (95 % interval 0.20 to 0.30" in said
    [shown] = part.tables
    assert shown.heads[0] == "estimator" and "CPR" not in shown.heads
    best = dict(zip(shown.heads, shown.rows[1], strict=True))
    assert best["gain"].startswith("0.27 [") and best["s per item"] == "0.500"
    assert "alone" not in said
    # One estimator is held against the base: there is nothing to correct.
    assert best["q of the gain"] == best["p of the gain"] == "0.2500"
    assert "p = 0.2500, q = 0.2500 over all that were tried)" in said
    areas = table().assign(cpr=[0.6, 0.8, np.nan, 0.2, 0.4, np.nan])
    write_frame(folder / "neurons.estimators.csv", areas)
    write_frame(folder / "neurons.estimators.summary.csv", summarised(areas, 0))
    part = estimators_part(sources)
    # Of two tasks an interval has one of them at either end.
    assert part.lead[0].endswith(
        "those by attribution patching, last token keep most (CPR 0.70 [0.60, 0.80], 2 tasks)."
    )
    assert part.tables[0].rows[0][part.tables[0].heads.index("CPR")] == "0.70 [0.60, 0.80]"
    assert "means over 3 tasks, CPR and CMD over 2 (95 %" in part.tables[0].caption
    areas["cpr"] = 1 - areas["cpr"]
    write_frame(folder / "neurons.estimators.csv", areas)
    write_frame(folder / "neurons.estimators.summary.csv", summarised(areas, 0))
    assert (
        estimators_part(sources)
        .lead[0]
        .endswith(
            "those by relevance patching, all tokens keep most (CPR 0.70 [0.60, 0.80], 2 tasks; "
            "attribution patching, last token 0.30 [0.20, 0.40]; more by 0.40 [0.40, 0.40], chosen as the "
            "highest of those tried)."
        )
    )
    # A curve that overshoots has a large area below it, and another one between it and 1.
    areas["cmd"] = [0.3, 0.5, np.nan, 0.8, 0.6, np.nan]
    write_frame(folder / "neurons.estimators.summary.csv", summarised(areas, 0))
    said = estimators_part(sources).lead[0]
    assert "those by relevance patching, all tokens keep most" in said
    assert said.endswith("is smallest for attribution patching, last token (0.40 [0.30, 0.50]).")
    assert estimators_part(SimpleNamespace(study=plain(root, tmp_path))) is None


def plain(root, tmp_path):
    config = tmp_path / "plain.yaml"
    config.write_text("models: {m: {source: 'hf:o/n'}}\n")
    return load_config([config], root=root).study
