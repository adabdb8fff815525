"""A study from Python: tables against what their files were made of, one line for what is not there."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import toy_results as toy
from matplotlib import pyplot

import brodmann
from brodmann.api.tables import TABLES
from brodmann.circuits.inclusion import Baseline
from brodmann.errors import UserError

# Imported at the top: figures of other tests are to find brodmann's look, whoever draws first.
from brodmann.figures import style
from brodmann.files import write_json
from brodmann.store.tables import write_table

NPI = toy.TASKS[0]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return toy.study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def study(results):
    return brodmann.open_study(results)


def test_what_it_is_of(study):
    assert study.models == [toy.MODEL, toy.CONTROL] and study.controls == [toy.CONTROL]
    assert study.tasks == ["language/agreement", "language/npi", "formal/sums"]
    assert study.domains == ["language", "formal"]
    assert study.selections == ["positive-10.0pct", "positive-20.0pct"]
    assert study.main_selection == "positive-10.0pct" and study.components == ["neurons"]
    assert study.localizers == ["language"] and study.datasets == ["sea"]
    assert "one, one-untrained; 3 tasks" in repr(study)


def test_the_model_that_is_loaded_is_one_that_was_run(tmp_path):
    """A model of which only results are at hand may come first; it has no weights."""
    results = toy.study(tmp_path)
    own = {toy.MODEL: {"source": "wheel:no-such-model"}}
    toy.provenance(results, models={"theirs": {"source": "results:theirs"}, **own})
    study = brodmann.open_study(results)
    assert study.models == ["theirs", toy.MODEL] and study.run_models == [toy.MODEL]
    with pytest.raises(UserError, match="no-such-model"):
        study.load_model()


def test_files_of_an_earlier_study_are_passed_over(tmp_path):
    """As published names have it, with hyphens in the config and none in paths."""
    results = toy.study(tmp_path)
    own = results / toy.MODEL / "localizer"
    (own / "language").rename(own / "theory_of_mind")
    shutil.copytree(own / "theory_of_mind", own / "multiple_demand")
    toy.provenance(results, localizer={"networks": ["theory-of-mind"]}, networks={"datasets": {}})
    study = brodmann.open_study(results)
    assert study.localizers == ["theory_of_mind"] and study.datasets == []
    assert {*study.localizer()["localizer"]} == {"theory_of_mind"}


def test_attributions_are_a_row_per_unit(study):
    found = study.attribution(toy.MODEL, NPI)
    assert list(found) == ["model", "component", "task", "layer", "unit", "score"]
    expected = toy.scores()[0]
    for row in found.itertuples():
        assert row.score == expected[row.layer, row.unit]
    assert len(found) == expected.size and set(found["task"]) == {NPI}
    # All of them, less what the control was not included with.
    every = study.attribution()
    sizes = every.groupby(["model", "task"]).size()
    assert sizes.eq(expected.size).all() and len(sizes) == 5
    assert (toy.CONTROL, toy.TASKS[1]) not in sizes.index
    assert study.attribution(toy.CONTROL, toy.TASKS[1]).empty


def test_circuits_are_the_largest_scores(study):
    found = study.masks(toy.MODEL, ["language/npi", "formal/sums"], sel="positive-10.0pct")
    assert found.columns[:4].to_list() == ["model", "component", "sel", "task"]
    for task, own in found.groupby("task"):
        scores = toy.scores()[toy.TASKS.index(task)]
        best = np.argsort(-scores, axis=None)[:3]
        assert list(zip(own["layer"], own["unit"], strict=True)) == [
            divmod(one, toy.WIDTH) for one in best.tolist()
        ]
    assert set(found["site"]) == {"mlp_hidden"} and found["task"].nunique() == 2


def test_matrices_are_a_row_per_pair_and_can_be_put_together_again(study, results):
    found = study.overlap(toy.CONTROL, sel="positive-10.0pct", measure="containment")
    file = results / toy.CONTROL / "overlap/neurons/positive-10.0pct.containment.csv"
    matrix = pd.read_csv(file, index_col=0)
    again = found.pivot(index="task", columns="other", values="value")
    assert again.loc[matrix.index, matrix.columns].to_numpy().tolist() == matrix.to_numpy().tolist()
    assert len(found) == matrix.size
    assert (found["task_domain"] == found["task"].str.partition("/")[0]).all()
    assert (found["other_domain"] == found["other"].str.partition("/")[0]).all()


def test_localizers_and_networks(study):
    every = study.localizer(toy.MODEL, "language")
    assert every["t"].tolist() == [float(n - 3) for n in range(12)]
    chosen = study.localized(selection="top-20.0pct")
    assert chosen[["layer", "unit", "t"]].to_numpy().tolist() == [[2, 3, 8], [2, 2, 7]]
    assert set(study.localized()["selection"]) == {"top-20.0pct", "random-20.0pct-seed1"}
    found = study.networks()[["dataset", "network", "layer", "unit", "z"]].to_numpy().tolist()
    assert found == [
        ["sea", "network-0", 0, 1, 4.0],
        ["sea", "network-0", 2, 3, -9.0],
        ["sea", "network-1", 1, 0, 5.0],
    ]


def test_baselines_and_statistics(tmp_path):
    results = toy.study(tmp_path)
    shares = {NPI: 0.75, "formal/sums": 0.5}
    for task, share in shares.items():
        made = Baseline(8, 8, 6, share, 1.0, share, 2.5, -2.0, [0, 1], share > 0.6, "of a test")
        write_json(results / toy.MODEL / f"baseline/{task}.json", made.to_json())
    (results / toy.MODEL / "baseline/language/agreement.json").unlink()
    write_table(results / "statistics/modularity.csv", [{"model": "NA", "p": 0.5}], ["model", "p"])
    study = brodmann.open_study(results)
    found = study.baseline(toy.MODEL)
    assert dict(zip(found["task"], found["both_correct_accuracy"], strict=True)) == shares
    assert found["included"].tolist() == [True, False] and len(found.columns) == 14
    assert study.statistics("modularity").to_dict("records") == [{"model": "NA", "p": 0.5}]
    with pytest.raises(UserError) as error:
        study.table("modularity")
    assert str(error.value) == (
        "the study: 'modularity' is a table of tests (study.statistics('modularity'))"
    )
    with pytest.raises(UserError, match="did you mean 'modularity'"):
        study.statistics("modularities")


def test_every_table_that_is_listed_can_be_read(study):
    listed = study.tables
    assert {"masks", "overlap", "networks", "network_driving", "network_editing"} <= {
        *listed["name"]
    }
    for row in listed.itertuples():
        if row.name != "baseline":  # the toy's are cut short
            found = study.table(row.name)
            assert len(found) and [*filter(None, row.by.split(", "))] == list(
                found.columns[: len(TABLES[row.name].places)]
            )


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda s: s.masks("won"), "has no model 'won' (did you mean 'one'?)"),
        (lambda s: s.masks(task="language/np"), "no task 'language/np' (did you mean 'language/npi'?)"),
        (lambda s: s.masks(sel="positive-1.0pct"), "did you mean 'positive-10.0pct'?"),
        (lambda s: s.overlap(measure="containmnt"), "did you mean 'containment'?"),
        (lambda s: s.localizer(localizer="langauge"), "no localizer 'langauge' (did you mean 'language'?)"),
        (lambda s: s.table("mask"), "has no table 'mask' (did you mean 'masks'?)"),
        (lambda s: s.table("masks", modle="one"), "to choose by 'modle' (did you mean 'model'?)"),
        (lambda s: s.faithfulness(toy.MODEL), "there is no table 'faithfulness' of model one"),
        (lambda s: s.overlap("average"), "there is no table 'overlap' of model average"),
        (lambda s: s.figure("concentrat.one.neurons"), "did you mean 'concentration.one.neurons'?"),
        (lambda s: s.baseline("one"), "is incomplete"),
        (lambda s: s.load_model("won"), "has no model 'won' (did you mean 'one'?)"),
        (lambda s: s.load_model(site="mlp_hiden"), "no site 'mlp_hiden' (did you mean 'mlp_hidden'?)"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_line(study, ask, says):
    with pytest.raises(UserError) as error:
        ask(study)
    text = str(error.value)
    assert says in text and "\n" not in text


def test_a_folder_that_is_no_finished_study(tmp_path):
    for folder, says in ((tmp_path / "no", "no such folder"), (tmp_path, "is not finished")):
        with pytest.raises(UserError, match=says):
            brodmann.open_study(folder)


def test_a_folder_that_holds_a_study_says_which_one_to_open(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "provenance.json").write_text("{}")
    with pytest.raises(UserError) as error:
        brodmann.open_study(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: holds a study, and is not its folder of results (take {results})"
    )


def test_a_figure_leaves_the_results_as_they_were(study, results):
    def content():
        return {
            file: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in results.rglob("*")
            if file.is_file()
        }

    before = content()
    picture = study.figure("concentration.one.neurons")
    assert content() == before and pyplot.get_fignums() == []
    # In brodmann's own look, and whole: it can be shown or saved by itself.
    sizes = {label.get_fontsize() for axes in picture.axes for label in axes.get_xticklabels()}
    assert sizes == {style.TYPE}
    # Nothing is cut off, not even names that reach beyond the canvas.
    picture.text(-0.5, 0.5, "a name")
    box, saved = picture.get_tightbbox().padded(style.MARGIN), io.BytesIO()
    picture.savefig(saved, format="png", dpi=100)
    height, width, _ = pyplot.imread(io.BytesIO(saved.getvalue())).shape
    assert abs(width - 100 * box.width) < 2 and abs(height - 100 * box.height) < 2


def test_matplotlib_stays_as_the_user_had_it(results):
    """Also if nothing of brodmann has been drawn before, which takes a process of its own."""
    script = f"""
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams.update({{"font.size": 17, "axes.spines.top": False}})
before = dict(matplotlib.rcParams)
import brodmann
study = brodmann.open_study({str(results)!r})
study.figure("concentration.one.neurons")
study.atlas.cortex()
assert dict(matplotlib.rcParams) == before
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_backend_that_nobody_chose_is_still_matplotlibs_choice(results):
    """Windows can be shown afterwards. Stands for one: a backend that matplotlib tries first."""
    script = f"""
import sys, types
from matplotlib import cbook
from matplotlib.backends import backend_agg
cbook._get_running_interactive_framework = lambda: None  # as if there were a display
first = types.ModuleType("matplotlib.backends.backend_macosx")
first.FigureCanvas = backend_agg.FigureCanvasAgg
sys.modules[first.__name__] = first
import brodmann
brodmann.open_study({str(results)!r}).figure("concentration.one.neurons")
import matplotlib
assert matplotlib.get_backend() == "macosx", matplotlib.get_backend()
"""
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr


def test_figures_are_those_whose_files_are_there(tmp_path):
    """Of a study whose own tasks and texts are elsewhere by now, too."""
    results = toy.study(tmp_path)
    gone = {"networks": {"datasets": {"sea": "gone/texts"}}, "tasks": {"folder": "gone/tasks"}}
    toy.provenance(results, **gone)
    record = pd.read_json(results / "provenance.json", typ="series").to_dict()
    write_json(results / "provenance.json", {**record, "tasks": {task: {} for task in toy.TASKS}})
    found = brodmann.open_study(results).figures
    assert "concentration.one.neurons" in found and "composition.neurons" in found
    assert not any(name.startswith(("ablation", "networks", "localizer")) for name in found)
    (results / "one/attribution/neurons" / f"{NPI}.safetensors").unlink()
    found = brodmann.open_study(results).figures
    assert "concentration.one.neurons" not in found
    assert "concentration.one-untrained.neurons" in found


def test_settings_of_another_version_are_no_figures_but_tables(tmp_path):
    results = toy.study(tmp_path)
    toy.provenance(results, attribution={"components": ["neurons"], "estimatr": "patching"})
    study = brodmann.open_study(results)
    assert len(study.masks()) > 0
    with pytest.raises(
        UserError, match=r"provenance.json: attribution.estimatr: unknown key: its settings"
    ):
        _ = study.figures
