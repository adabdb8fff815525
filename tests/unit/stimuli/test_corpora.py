"""Our corpora keep their promises; a user's texts are read, or refused in one clear line."""

import ast
import json
import os
import re
import sys
import types
from itertools import pairwise

import pytest

from brodmann.errors import UserError
from brodmann.files import digest
from brodmann.stimuli.code import CHARACTERS, LINES, code_samples
from brodmann.stimuli.corpora import SHIPPED, Corpus, clean_prompts, load_corpus
from brodmann.tasks.items import Item, TaskItems

PROSE = ("encyclopedia", "news")


@pytest.fixture(scope="module")
def stimuli(root):
    return root / "stimuli"


def problem(source, stimuli="nowhere", **options):
    with pytest.raises(UserError) as caught:
        load_corpus(str(source), stimuli=stimuli, **options)
    [found] = caught.value.problems
    line = str(found)
    assert line.isprintable() and len(line) < 1000
    return line


# -- ours --


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_corpora_have_enough_different_samples(stimuli, name):
    corpus = load_corpus(f"corpus:{name}", stimuli=stimuli)
    assert corpus.require(200) is corpus
    assert len(set(corpus.samples)) == len(corpus.samples)
    assert corpus.sha256 == digest(list(corpus.samples))
    assert corpus == load_corpus(f"corpus:{name}", stimuli=stimuli)


@pytest.mark.parametrize("name", PROSE)
def test_prose_is_plain_paragraphs_of_one_size(stimuli, name):
    for sample in load_corpus(f"corpus:{name}", stimuli=stimuli).samples:
        assert 70 <= len(sample.split()) <= 110, sample
        assert sample.isascii() and sample.isprintable(), sample
        assert re.match(r'[A-Z"]', sample) and re.search(r'[.?!]"?$', sample), sample
        assert sample.count('"') % 2 == 0, sample
        assert not re.search(r"  | [,.;:?!]|[,;:][A-Za-z]|\.\.|,,|[a-z]\.[A-Z]", sample), sample
        assert not re.search(r"\b(\w+) \1\b", sample.replace("had had", "")), sample


def grams(text, n=5):
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}


def test_no_paragraph_is_nearly_another(stimuli):
    sets = [
        grams(sample)
        for name in PROSE
        for sample in load_corpus(f"corpus:{name}", stimuli=stimuli).samples
    ]
    for number, one in enumerate(sets):
        for other in sets[:number]:
            assert len(one & other) <= 0.1 * min(len(one), len(other)), one & other


def test_the_first_hundred_are_not_of_one_kind(stimuli):
    """Groups and individuals are runs of neighbouring samples: the topics must be mixed."""
    maths = load_corpus("corpus:maths", stimuli=stimuli).samples
    assert len({re.sub(r"\d+|[A-Z]\w+", "", sample)[:25] for sample in maths[:100]}) >= 20
    for name in PROSE:
        starts = [s.split()[:2] for s in load_corpus(f"corpus:{name}", stimuli=stimuli).samples]
        assert sum(one == other for one, other in pairwise(starts)) < 5


def test_code_is_whole_functions():
    samples = code_samples()
    for sample in samples:
        [function] = ast.parse(sample).body
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        compile(sample, "sample", "exec")
        assert LINES[0] <= len(sample.splitlines()) <= LINES[1]
        assert CHARACTERS[0] <= len(sample) <= CHARACTERS[1]
        assert sample[0] in "@da" and sample.isascii()


def test_code_comes_from_many_modules_and_is_found_in_them():
    import heapq
    import inspect
    import textwrap

    known = {
        textwrap.dedent(inspect.getsource(function)).rstrip()
        for module in (heapq, inspect, textwrap)
        for _, function in inspect.getmembers(module, inspect.isfunction)
    }
    assert known & set(code_samples())


def test_without_sources_there_is_no_code(tmp_path):
    with pytest.raises(UserError, match=r"0 functions .* 240 are wanted"):
        code_samples(tmp_path)


def test_code_of_a_changed_library_keeps_its_order(tmp_path):
    body = "\n".join(
        f"    x{number} = 'some text that makes it long enough'" for number in range(9)
    )
    text = "".join(f"def f{n}():\n{body}\n    return {n}\n\n" for n in range(8))
    from brodmann.stimuli import code

    modules = code.MODULES.split()
    for module in modules:
        path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("'some", f"'{module}: some"))
    first = code_samples(tmp_path)
    assert len(first) == 240
    (tmp_path / "heapq.py").unlink()
    kept = [sample for sample in first if "'heapq:" not in sample]
    assert code_samples(tmp_path)[: len(kept)] == tuple(kept)


# -- a user's files --


def test_a_folder_is_one_sample_per_file(tmp_path):
    (tmp_path / "b.txt").write_text("\n second\n\nparagraph\n", encoding="utf-8")
    (tmp_path / "a.TXT").write_bytes(b"\xef\xbb\xbffirst\r\nline\r\n")
    (tmp_path / "c.txt").write_text("  \n")
    (tmp_path / ".d.txt").write_bytes(b"\xff")
    (tmp_path / "e.md").write_bytes(b"\xff")
    corpus = load_corpus(str(tmp_path), stimuli="nowhere")
    assert corpus.samples == ("first\nline", "second\n\nparagraph")
    assert corpus.source == str(tmp_path)


def test_a_text_file_is_its_paragraphs(tmp_path):
    path = tmp_path / "texts #1.txt"
    path.write_text("\n\nOne\ntwo.\n \t\nThree.\n\n\n\nOne two.\nLast é", encoding="utf-8")
    corpus = load_corpus(str(path), stimuli="nowhere")
    assert corpus.samples == ("One two.", "Three.", "One two. Last é")


def test_repeated_samples_count_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("One.\n\nTwo.\n\n One. \n")
    corpus = load_corpus(str(path), stimuli="nowhere")
    assert corpus.samples == ("One.", "Two.")
    with pytest.raises(UserError, match=r"a\.txt: 2 different samples, 3 are wanted"):
        corpus.require(3)
    assert load_corpus(str(path), stimuli="nowhere", limit=1).samples == ("One.",)


def test_jsonl(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [
        {"text": "One\ntwo", "body": "x"},
        {"text": "", "body": "y"},
        {"text": "é", "body": "z"},
    ]
    path.write_text("\n\n".join(json.dumps(row) for row in rows))
    assert load_corpus(str(path), stimuli="nowhere").samples == ("One\ntwo", "é")
    assert load_corpus(f"{path}#body", stimuli="nowhere").samples == ("x", "y", "z")
    assert "line 1: no field 'bodi', did you mean 'body'?; line 3: " in problem(f"{path}#bodi")


def test_every_bad_line_is_numbered_in_one_line(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = ['{"text": "ok"}', "{", "[1]", '{"text": 3}', '{"x": 1}', r'{"text": "\ud800"}']
    path.write_text("\n".join(lines))
    assert problem(path) == (
        f"{path}: line 2: not JSON; line 3: not an object; line 4: 'text' is not text; line 5: no field "
        "'text'; line 6: 'text' holds half a surrogate pair (each line an object with 'text')"
    )
    path.write_text("{\n" * 1000)
    assert problem(path).count("not JSON") == 5 and "; and more (" in problem(path)
    path.write_text("[" * 100_000)
    assert "line 1: not JSON" in problem(path)


def test_only_what_is_wanted_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n{"text": "two"}\n\xff\n')
    assert load_corpus(str(path), stimuli="nowhere", limit=2).samples == ("one", "two")
    assert f"{path}:3: not a UTF-8 text file" in problem(path)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "folder/a.txt"])
def test_other_encodings_and_empty_files_are_refused(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    source = path.parent if "/" in name else path
    path.write_bytes("fine\ncaf\xe9".encode("latin-1") if name != "a.jsonl" else b"\xff\xfe")
    assert "not a UTF-8 text file (save it as UTF-8)" in problem(source)
    path.write_text(" \n\n")
    assert problem(source) == f"{source}: no text in it"


def test_files_that_are_not_read(tmp_path):
    (tmp_path / "a.pdf").write_text("x")
    (tmp_path / "a.txt").write_text("x")
    assert "not a kind of file that is read" in problem(tmp_path / "a.pdf")
    assert "only .jsonl files" in problem(f"{tmp_path}/a.txt#field")
    (tmp_path / "empty").mkdir()
    assert "no .txt file in this folder" in problem(tmp_path / "empty")
    (tmp_path / "sub.txt").mkdir()
    (tmp_path / "sub.txt/a.txt").mkdir()
    assert "cannot be read" in problem(tmp_path / "sub.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    assert f"{path}: cannot be read" in problem(path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("corpus:newz", "no corpus 'newz' (did you mean 'news'?)"),
        ("corpus:", "no corpus '' (allowed: code, encyclopedia, maths, news)"),
        ("corpora:news", "no such file, folder or corpus (did you mean 'corpus:news'?)"),
        ("maths", "no such file, folder or corpus (did you mean 'corpus:maths'?)"),
        ("/no/such/thing", "no such file, folder or corpus (allowed: corpus:{encyclopedia,"),
        ("", "no such file, folder or corpus"),
        ("#text", "no such file, folder or corpus"),
        ("a\0b\n\x1b[31m", r"a\x00b\n\x1b[31m: no such file"),
        ("x" * 5000, "no such file"),
        ("hf:", "not the name of a dataset (write hf:ORG/NAME[:CONFIG][:SPLIT][#COLUMN])"),
        ("hf:a/b/c", "not the name of a dataset"),
        ("hf:a/b:c:d:e", "not the name of a dataset"),
        ("task:newton", "not the name of a task (write task:DOMAIN/NAME)"),
        ("task:physical/newton", "a task's prompts are at hand in a study only"),
    ],
)
def test_sources_that_are_none(source, says):
    assert says in problem(source)


def test_our_prose_must_be_there(tmp_path):
    assert "corpora/news.txt: cannot be read: No such file" in problem("corpus:news", tmp_path)


# -- tasks and the hub --


def test_prompts_of_a_task():
    items = TaskItems(
        "physical/speed",
        {
            "completion": [Item(f"clean {n // 2}", "corrupted", "a", "b") for n in range(6)],
            "chat": [Item("asked", "corrupted", "a", "b")],
        },
    )
    asked = []

    def prompts(task):
        asked.append(task)
        return clean_prompts(items)

    corpus = load_corpus("task:physical/speed", stimuli="nowhere", prompts=prompts)
    assert corpus.samples == ("clean 0", "clean 1", "clean 2") and asked == ["physical/speed"]
    assert clean_prompts(items, "chat") == ("asked",)


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the ``datasets`` package that notes how it is called."""
    calls = []

    def load_dataset(name, config, *, split, streaming):
        calls.append((name, config, split, streaming))
        if name == "a/missing":
            raise ConnectionError("no\nnetwork")
        if split == "tset":
            raise ValueError("Bad split: tset.")
        return iter([{"text": "one", "body": "eins"}, {"text": "two", "body": None}])

    module = types.ModuleType("datasets")
    module.config = types.SimpleNamespace(HF_HUB_OFFLINE=False)
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return types.SimpleNamespace(calls=calls, module=module)


def test_hub_datasets(hub):
    assert load_corpus("hf:a/b", stimuli="nowhere").samples == ("one", "two")
    load_corpus("hf:a/b:en:test", stimuli="nowhere")
    hub.module.config.HF_HUB_OFFLINE = True
    assert load_corpus("hf:b::test#body", stimuli="nowhere", limit=1).samples == ("eins",)
    assert hub.calls == [
        ("a/b", None, "train", True),
        ("a/b", "en", "test", True),
        ("b", None, "test", False),
    ]


def test_hub_errors_are_one_line(hub, monkeypatch):
    assert problem("hf:a/b#txt") == "hf:a/b: no column 'txt' (did you mean 'text'?)"
    assert problem("hf:a/b#body") == "hf:a/b: column 'body' does not hold text"
    line = problem("hf:a/missing")
    assert line.startswith(r"hf:a/missing: cannot be loaded: ConnectionError: no\nnetwork (load it")
    line = problem("hf:a/b::tset")
    assert line == "hf:a/b: cannot be loaded: ValueError: Bad split: tset."
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert problem("hf:a/b") == (
        "hf:a/b: needs the package 'datasets' (install it with: pip install datasets)"
    )


def test_a_local_dataset_through_the_real_package(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    (tmp_path / "org/name").mkdir(parents=True)
    rows = "".join(json.dumps({"text": f"text {number}"}) + "\n" for number in range(3))
    (tmp_path / "org/name/train.jsonl").write_text(rows)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    assert load_corpus("hf:org/name", stimuli="nowhere").samples == ("text 0", "text 1", "text 2")


def test_a_corpus_is_its_samples():
    corpus = Corpus("x", ("a",), "0")
    with pytest.raises(AttributeError):
        corpus.samples = ()
