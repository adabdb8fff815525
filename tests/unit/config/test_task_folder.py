"""tasks.folder: a study that brings its own domains and tasks."""

import pytest

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.pipeline.workspace import Workspace
from brodmann.tasks import domains
from brodmann.tasks.catalogue import domain_of

TASK = """
title: pitches of notes
description: Which note is higher.
measures: Knowing an order.
contrast: {note: [low, high]}
answers: [c, d]
frames: [{text: "the {note} note is"}]
"""


@pytest.fixture
def write(tmp_path, root):
    """Writes a study with a domain of its own beside the config; returns it loaded."""
    music = tmp_path / "own" / "music"
    music.mkdir(parents=True)
    (music / "domain.yaml").write_text('name: Music\ncolour: "#16A085"\ntext: Notes.\n')
    (music / "pitch.yaml").write_text(TASK)

    def written(tasks):
        path = tmp_path / "study.yaml"
        path.write_text(f'models: {{a: {{source: "hf:o/x"}}}}\ntasks: {tasks}\n')
        return load_config([path], root=root)

    yield written
    domains.use(None)


def test_tasks_and_domains_are_those_of_the_folder(write, root, tmp_path, monkeypatch):
    loaded = write("{folder: own}")
    assert loaded.study.tasks.selected == ("music/pitch",)
    assert [*domains.known()] == [*domains.PUBLISHED, "music"]
    assert domains.label("music") == "Music"
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(loaded, root)
    assert workspace.definition_files("music/pitch")[0] == "own/music/pitch.yaml"
    assert workspace.domain_files == ["own/music/domain.yaml"]
    assert workspace.titles == {"music/pitch": "pitches of notes"}


def test_another_study_does_not_know_them(write):
    write("{folder: own}")
    tasks = write("{}").study.tasks.selected
    assert {domain_of(task) for task in tasks} == set(domains.PUBLISHED) == {*domains.known()}


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("{folder: none}", "tasks.folder.*none"),
        ("{folder: own, include: [language/npi]}", "'language/npi' matches no task"),
        ("{folder: own, published: own}", "tasks.folder: tasks.published is read already"),
    ],
)
def test_what_is_wrong_gets_a_line(write, tasks, message):
    with pytest.raises(UserError, match=message):
        write(tasks)
