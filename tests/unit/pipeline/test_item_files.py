"""The items of a study's tasks: as its settings say, from our tasks or from published files."""

import json

import pytest

from brodmann.config.load import load_config
from brodmann.pipeline.items import expand_task
from brodmann.tasks.items import read_items


@pytest.fixture
def study(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def loaded(**tasks):
        config = {"models": {"a": {"source": "hf:o/n"}}, "tasks": tasks}
        config["localizer"] = {"networks": [], "lesion": {"tasks": []}}
        (tmp_path / "study.yaml").write_text(json.dumps(config))
        return load_config(["study.yaml"], root=root).study

    return loaded


def test_the_second_list_has_none_of_the_units_of_the_first(study, root, tmp_path):
    own = study(include=["language/npi"], items=30)
    definition = str(root / "data" / "language" / "npi.yaml")
    lists = []
    for second in (False, True):
        output = tmp_path / f"{second}.json"
        expand_task(own, "language/npi", definition=definition, output=str(output), second=second)
        lists.append(read_items(output))
    first, other = lists
    assert len(first) == 30 and 0 < len(other) <= 30
    assert set(first.groups).isdisjoint(other.groups)
    assert {item.clean_prompt for item in first.wordings["completion"]}.isdisjoint(
        item.clean_prompt for item in other.wordings["completion"]
    )
    assert other.metadata["left_out"] == "units of the first list"
    assert other.metadata["count"] == len(other) and "left_out" not in first.metadata


def test_published_items_are_the_first_of_their_file(study, tmp_path):
    rows = [
        {"clean_problem": f"{n} + 1 =", "corrupted_problem": f"{n} + 2 =", "answer": str(n + 1)}
        for n in range(30)
    ]
    tasks = {"add": {"path": "add.json", "single_answer": True}}
    for name, content in (("config/MD/config.json", tasks), ("data/MD/add.json", rows)):
        path = tmp_path / "published" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    own = study(published="published", include=["formal/add"], items=25)
    expand_task(own, "formal/add", definition="", output=str(tmp_path / "items.json"))
    found = read_items(tmp_path / "items.json")
    assert [item.clean_prompt for item in found.wordings["chat"]] == [
        f"{n} + 1 =" for n in range(25)
    ]
    assert found.single_answer and found.wordings["chat"][3].correct == "4"
