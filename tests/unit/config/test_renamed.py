"""An old key of the config gets a line that says the new one, and its value is not taken over."""

import re

import pytest

from brodmann.config.load import examine
from brodmann.config.renamed import RENAMED, Renamed
from brodmann.config.schema import at, config_schema

EARLIER = {
    "tasks.count": Renamed("tasks.items", "0.9.0"),
    "models.*.weights": Renamed("models.*.source", "0.9.0"),
    "localizer.items": Renamed("localizer.lesion.items", "0.9.0"),
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks: {count: 7}", "tasks.count: is called tasks.items since 0.9.0 (rename it)"),
        (
            "localizer:\n  items: 7",
            "localizer.items: is called localizer.lesion.items since 0.9.0 (rename it)",
        ),
        (
            "models: {mine: {source: 'hf:o/x', weights: y}}",
            "models.mine.weights: is called models.mine.source since 0.9.0 (rename it)",
        ),
        ("tasks: {coutn: 7}", "tasks.coutn: unknown key"),
        ("localizer: {count: 7}", "localizer.count: unknown key"),
    ],
)
def test_an_old_key_is_told_its_new_name(root, tmp_path, monkeypatch, text, said):
    for old, renamed in EARLIER.items():
        monkeypatch.setitem(RENAMED, old, renamed)
    file = tmp_path / "study.yaml"
    file.write_text(
        text if text.startswith("models") else f"{text}\nmodels: {{a: {{source: 'hf:o/x'}}}}"
    )
    found, problems = examine([file], root=root)
    [problem] = problems
    assert said in str(problem)
    assert found.study.tasks.items is None and found.config["localizer"]["lesion"]["items"] == 20


@pytest.mark.parametrize("table", [RENAMED, EARLIER], ids=["kept", "of this test"])
def test_new_names_exist_and_old_ones_do_not(table):
    for old, (new, since) in table.items():
        assert at(config_schema(), tuple(new.split("."))), new
        above, _, last = old.rpartition(".")
        within = at(config_schema(), tuple(above.split(".")) if above else ())
        assert last not in within.get("properties", {}), old
        assert re.fullmatch(r"\d+\.\d+\.\d+", since)
