"""How a job's function gets its arguments: by name, from what Snakemake hands to a script."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Namedlist

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import read_json
from brodmann.pipeline import job
from brodmann.pipeline.workspace import Workspace
from brodmann.store.progress import LOGS_ARE_SHOWN

WRITE = {"settings": "brodmann.files:write_json"}


@pytest.fixture
def called(root, tmp_path):
    """What a script of the rule `settings` is called with."""
    workflow = SimpleNamespace(
        basedir=str(root),
        main_snakefile=str(root / "Snakefile"),
        config_settings=SimpleNamespace(config={}, configfiles=[root / "config.yaml"]),
    )
    config = {}
    Workspace.open(workflow, config)
    return SimpleNamespace(
        rule="settings",
        input=Namedlist(["unnamed.txt"]),
        output=Namedlist(fromdict={"path": str(tmp_path / "made.json")}),
        params=Namedlist(fromdict={"value": [1, 2], "method": 7}),
        wildcards=Namedlist(fromdict={"model": "a"}),
        threads=1,
        log=[str(tmp_path / "job.log")],
        config=config,
    )


def test_arguments_are_what_the_rule_names(called):
    job.run(called, WRITE, {})
    assert read_json(called.output.path) == [1, 2]


def test_further_arguments_come_first(called, root):
    study = load_config([root / "config.yaml"], root=root).study
    job.run(called, WRITE, {"settings": lambda own: {"value": list(own.models)}})
    assert read_json(called.output.path) == list(study.models)


def test_a_function_is_called_for_each_member_of_a_sequence(called, tmp_path):
    files = [str(tmp_path / f"{n}.json") for n in range(3)]
    more = [{"path": file, "value": n} for n, file in enumerate(files)]
    job.run(called, WRITE, {"settings": lambda _: more})
    assert [read_json(file) for file in files] == [0, 1, 2]


def test_where_the_log_is_shown_an_error_is_said_in_it_alone(called, capsys, monkeypatch):
    def refuse(_):
        raise UserError.at("here", "no luck")

    for shown in (False, True):
        if shown:
            monkeypatch.setenv(LOGS_ARE_SHOWN, "1")
        with pytest.raises(SystemExit):
            job.run(called, WRITE, {"settings": refuse})
        assert Path(called.log[0]).read_text() == "ERROR: here: no luck\n"
        assert capsys.readouterr().err == ("" if shown else "ERROR: here: no luck\n")
