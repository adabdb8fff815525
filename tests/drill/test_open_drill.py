"""The drill's study from Python: it has figures of every family, and all that notebooks read."""

from drawn_again import assert_shows
from notebook import run_in

import brodmann


def test_every_figure_shows_what_the_workflow_drew(drilled, tmp_path):
    results = drilled.path / "results"
    study = brodmann.open_study(results)
    drawn = {file.stem for file in (results / "figures").glob("*.csv")}
    # Some were drawn of the same study with more models.
    assert set(study.figures) <= drawn and len(study.figures) > 30
    for name in study.figures:
        assert_shows(study.figure_data(name), results / "figures" / f"{name}.csv", tmp_path)


def test_every_table_can_be_read(drilled):
    study = brodmann.open_study(drilled.path / "results")
    names = {*study.tables["name"]}
    assert {"rivals", "granularity_lesions", "agreement_units", "stability_curve"} <= names
    for name in names:
        assert len(study.table(name).columns) > 2, name
    # Of a model of which only matrices are there, these are read; averages have to be asked for.
    effects = study.table("ablation_effects", measure="accuracy_drop")
    assert {*effects["model"]} == {"tiny", "theirs"}
    assert {*study.overlap("average")["model"]} == {"average"}


def test_a_study_is_read_in_a_notebook(study):
    assert "are in the circuits of" in run_in(study.path, "read-a-study")


def test_a_network_is_lesioned_in_a_notebook(study):
    assert "mean log-probability" in run_in(study.path, "lesion-a-network")
