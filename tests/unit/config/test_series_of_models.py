"""models.NAME.series: one entry, a model for each checkpoint."""

import pytest

from brodmann.config.load import load_config
from brodmann.config.study import Study
from brodmann.errors import UserError


@pytest.fixture
def load(tmp_path, root):
    for step in ("first", "second"):
        (tmp_path / "run" / step).mkdir(parents=True)

    def load(entry):
        path = tmp_path / "study.yaml"
        text = f"models:\n  a: {{{entry}}}\n  b: {{source: 'hf:o/x'}}\ntasks: {{include: [language/npi]}}\n"
        path.write_text(text)
        return load_config([path], root=root).study

    return load


def test_each_folder_is_a_model(load, tmp_path):
    entry = "source: 'path:run', series: {paths: [first, second], steps: [0, 1500]}, control: true"
    study = load(entry)
    assert [*study.models] == ["a@0", "a@1500", "b"] == [*study.run_models]
    assert study.series == {"a": {"a@0": 0.0, "a@1500": 1500.0}}
    assert study.model("a@1500").location == str(tmp_path / "run" / "second")
    # What decides weights and their keys is what an ordinary entry of this folder has.
    plain = load("source: 'path:run/second', control: true").model("a")
    assert study.model("a@1500").weights_settings() == plain.weights_settings()
    assert study.model("a@1500").loading_settings() == plain.loading_settings()
    assert study.controls == ("a@0", "a@1500")
    assert Study.from_dict(study.to_dict()) == study
    assert study.series_axis("a") == "training step"


def test_each_revision_is_a_model(load):
    series = "{revisions: [step1, step2], steps: [0.5, 1], axis: tokens (B)}"
    study = load(f"source: 'hf:o/y', series: {series}")
    assert [study.model(name).revision for name in study.series["a"]] == ["step1", "step2"]
    assert [*study.series["a"]] == ["a@0.5", "a@1"] and study.series_axis("a") == "tokens (B)"


@pytest.mark.parametrize(
    ("source", "series", "message"),
    [
        ("path:run", "{steps: [0]}", "series: needs either revisions or paths"),
        ("hf:o/y", "{paths: [first], steps: [0]}", "series.paths: are of path: sources"),
        ("path:run", "{revisions: [first], steps: [0]}", "series.revisions: are of hf: sources"),
        ("path:run", "{paths: [first, second], steps: [0]}", "steps: 1 steps for 2 checkpoints"),
        ("path:run", "{paths: [first, second], steps: [5, 5]}", "series.steps: must rise"),
        ("path:run", "{paths: [first, third], steps: [0, 1]}", "third"),
    ],
)
def test_what_is_wrong_gets_a_line(load, source, series, message):
    with pytest.raises(UserError, match=message) as caught:
        load(f"source: '{source}', series: {series}")
    assert len(str(caught.value).splitlines()) == 1
