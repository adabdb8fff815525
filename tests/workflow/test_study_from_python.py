"""A finished study from Python: its figures are those of the workflow, its model has the study's weights."""

import pytest
from drawn_again import assert_shows

import brodmann
from brodmann.errors import UserError


def test_figures_show_what_the_workflow_drew(finished, tmp_path):
    """Of every kind that reads its files in a way of its own; tests/drill draws all."""
    results = finished.path / "results"
    study = brodmann.open_study(results)
    drawn = {file.stem for file in (results / "figures").glob("*.csv")}
    assert set(study.figures) == drawn
    for name in ("structure_function.neurons", "accuracy_heatmap", "composition.neurons"):
        assert_shows(study.figure_data(name), results / "figures" / f"{name}.csv", tmp_path)


def test_its_model_is_the_one_of_the_study(study):
    """In a copy, whose card is then made to name other weights."""
    opened = brodmann.open_study(study.path / "results")
    model = opened.load_model(site="mlp_hidden")
    units = opened.attribution("tiny", opened.tasks[0])
    assert (model.n_layers, model.units("mlp_hidden")) == (
        units["layer"].nunique(),
        units["unit"].nunique(),
    )
    card = study.path / "results/tiny/model.json"
    text = card.read_text()
    assert '"weights_hash": "' in text
    card.write_text(text.replace('"weights_hash": "', '"weights_hash": "0'))
    with pytest.raises(UserError, match="has other weights than the study had"):
        opened.load_model()
