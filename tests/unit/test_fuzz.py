"""Readers of files from elsewhere: whatever they hold, a ``UserError`` or a result (hypothesis)."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.masks import read_mask
from brodmann.config.load import LoadedConfig, load_config
from brodmann.errors import UserError
from brodmann.files import read_json
from brodmann.models.card import ModelCard
from brodmann.models.results_folder import ResultsFolder
from brodmann.models.sources import WeightsRecord
from brodmann.statistics.matrices import read_foreign_matrix
from brodmann.statistics.stages.imports import read_accuracy_table
from brodmann.store import masks
from brodmann.store.masks import Origin
from brodmann.store.store import Store
from brodmann.store.tables import read_matrix, read_table
from brodmann.store.tensors import read_tensors
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import read_items, write_items
from brodmann.tasks.published import list_published, read_published

ROOT = Path(__file__).parents[2]
always = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

odd_text = st.sampled_from(
    [
        *(
            "",
            " ",
            "..",
            "../x",
            "/",
            "a/b",
            "\0",
            "\n",
            "<b>",
            "{",
            "{x}",
            "'",
            '"',
            "ü",
            "\ud800",
        ),
        *("x" * 300, "nan", "null", "1e999", "%", "\x1b[31m", "${HOME}", "~nobody", "\u202e"),
    ]
)
scalar = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), odd_text)
)
value = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text | st.text(), inner),
    max_leaves=6,
)


def changed(draw, tree, most=3):
    """``tree`` with some of its values replaced, removed, or joined by others."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        place, key = None, None
        inner = tree
        while isinstance(inner, dict | list) and inner and (place is None or draw(st.booleans())):
            keys = sorted(inner, key=str) if isinstance(inner, dict) else range(len(inner))
            place, key = inner, draw(st.sampled_from(keys))
            inner = place[key]
        if place is None:
            return draw(value)
        match draw(st.sampled_from(["replace", "remove", "join"])):
            case "replace":
                place[key] = draw(value)
            case "remove":
                del place[key]
            case "join" if isinstance(place, dict):
                place[draw(odd_text)] = draw(value)
            case "join":
                place.append(draw(value))
    return tree


def one_line(error):
    """Every problem is a line that can be printed."""
    assert error.problems
    for problem in error.problems:
        assert len(str(problem).splitlines()) == 1
        str(problem).encode()


# -- the published layout --

CONFIG = {
    "add": {"path": "add.json", "prefix": "P ", "concatenation": " C", "suffix": None},
    "one": {"path": "one.json", "single_answer": True, "force_base_evaluation": True},
}
PAIR = {
    "clean_problem": "1 + 1",
    "corrupted_problem": "1 + 2",
    "clean_correct": "2",
    "clean_incorrect": "3",
    "corrupted_correct": "3",
    "corrupted_incorrect": "2",
}
DATA = {
    "add.json": [PAIR, {**PAIR, "clean_problem": "2 + 0"}],
    "one.json": [{"clean_problem": "a", "corrupted_problem": "b", "answer": "c"}],
}


@st.composite
def trees(draw):
    """File -> its content as JSON, one of them changed."""
    files = {"config/MD/config.json": CONFIG, **{f"data/MD/{n}": d for n, d in DATA.items()}}
    name = draw(st.sampled_from(sorted(files)))
    return {**files, name: changed(draw, files[name])}


def write_tree(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def read_all(folder, out):
    """All tasks of a folder, to items files; the errors are those of users."""
    try:
        tasks = list_published(folder, rename=True)
    except UserError as error:
        return one_line(error)
    for task in tasks:
        try:
            items = read_published(folder, task)
        except UserError as error:
            one_line(error)
            continue
        write_items(out / "items.json", items)
        assert read_items(out / "items.json") == items


@always
@given(trees())
def test_published_layout(tmp_path, files):
    write_tree(tmp_path, files)
    read_all(tmp_path, tmp_path)


@always
@given(
    st.sampled_from(["config/MD/config.json", "data/MD/add.json"]),
    st.binary(max_size=40) | st.text(max_size=20).map(str.encode),
)
@example("data/MD/add.json", b"[" * 100_000)
@example("config/MD/config.json", b'{"a": ' + b"1" * 5000 + b"}")
@example("config/MD/config.json", b'{"a": {"path": "\\ud800"}}')
@example("config/MD/config.json", b'{"a": {"path": "%s"}}' % (b"x" * 300))
@example("config/MD/config.json", b'{"a": {"path": "../../config/MD/config.json"}}')
@example("config/MD/config.json", b'{"a": {"path": "."}}')
def test_published_layout_of_any_bytes(tmp_path, name, content):
    whole = {"config/MD/config.json": CONFIG, "data/MD/add.json": DATA["add.json"]}
    write_tree(tmp_path, {**whole, name: content})
    read_all(tmp_path, tmp_path)


csv_text = st.lists(
    st.lists(
        st.sampled_from(
            ["", "Lan/npi", "MD/add", "ToM/x", "0.5", "1", "-0.2", "nan", "inf", "1e999", "x", '"']
        )
        | odd_text,
        max_size=4,
    ).map(",".join),
    max_size=4,
).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))


@always
@given(csv_text | st.binary(max_size=60))
@example(b"\n")
@example(b"\xef\xbb\xbf,Lan/a\nLan/a,1\n")
@example(b',Lan/a\nLan/a,"' + b"1" * 200_000)
def test_matrices_and_tables_of_any_bytes(tmp_path, content):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    for read in (
        lambda: read_foreign_matrix(path, low=0.0),
        lambda: read_accuracy_table(path, "one"),
        lambda: read_matrix(path),
        lambda: read_table(path, ["task"]),
        lambda: read_mask(path, 8, Origin.of("m", "0", "heads")),
        lambda: masks.read(path),
    ):
        try:
            read()
        except UserError as error:
            one_line(error)


@always
@given(st.lists(st.sampled_from(["Domain", "Task", "one", "MD", "ToM", "add", "5"]) | odd_text))
def test_accuracy_tables(tmp_path, cells):
    head = "Domain,Task,one\n"
    lines = [",".join(cells[n : n + 3]) for n in range(0, len(cells), 3)]
    path = tmp_path / "a.csv"
    path.write_text(head + "\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        shares = read_accuracy_table(path, "one")
    except UserError as error:
        return one_line(error)
    assert all(share != share or 0 <= share <= 1 for share in shares.values())


names = st.lists(
    st.sampled_from(
        ["positive", "negative", "_", "-", "0.1", "1e-5", "99999", "pct", "_overlap.csv", ".csv"]
    )
).map("".join)


@always
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["overlap", "overlap/neurons", "ablation/heads", "baseline/md"]), names
        ),
        max_size=5,
    )
)
def test_results_folders(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("results")
    for place, name in files:
        path = folder / place / (name or "x")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = ResultsFolder.scan(folder)
    for file in [*found.overlaps.values(), *found.drops.values(), *found.baselines.values()]:
        assert file.is_file() and not file.name.startswith(".")


# -- the config --

STUDY = {
    "models": {
        "a": {"source": "hf:org/name", "dtype": "auto", "filter": "aligned", "gpus": 1},
        "b": {"source": "results:b", "accuracies": {"table": "t.csv", "column": "b"}},
    },
    "results_from": "here",
    "tasks": {"include": ["language/*"], "items": 8, "min_items": 1, "difficulty": {}},
    "selection": {"percents": [0.1, 1], "signs": ["positive"], "main": 1},
    "attribution": {"components": ["neurons"], "agreement": {"tasks": ["language/*"]}},
    "ablation": {"kinds": ["corrupted"], "percents": [1]},
    "localizer": {"networks": ["language"], "percentages": [1], "lesion": {"seeds": [1]}},
    "average": {"exclude": []},
    "statistics": {"permutations": 10},
    "figures": {},
    "execution": {"device": "cpu", "batch_tokens": "auto"},
}


@pytest.fixture(scope="module")
def schema():
    return yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


@st.composite
def configs(draw):
    return changed(draw, STUDY)


def load(folder, content, overrides=None):
    path = folder / "config.yaml"
    path.write_bytes(content)
    (folder / "here" / "b").mkdir(parents=True, exist_ok=True)
    (folder / "here" / "t.csv").touch()
    try:
        found = load_config([path], overrides, root=ROOT)
    except UserError as error:
        return one_line(error)
    assert isinstance(found, LoadedConfig)


@always
@given(configs())
@example({**STUDY, "tasks": {"filter": ["aligned"]}})
@example({**STUDY, "models": {"a": {"source": "hf:o/n", "filter": {}}}})
def test_config_validation(tmp_path, config):
    text = yaml.safe_dump(config, allow_unicode=False)
    load(tmp_path, text.encode())


@always
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@example(b"models: !!python/object/apply:os.system ['touch poisoned']")
@example(b"models: !!python/name:os.system")
@example(b"a: &a [*a]")
@example(b"[" * 200_000)
@example(b"a: 2001-99-99")
@example(b"a: " + b"1" * 5000)
@example(b'a: "\\ud800"')
@example(b"? [a, b]\n: c")
@example(
    b"\n".join(
        b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9) if n else b"x")
        for n in range(12)
    )
)
def test_config_of_any_bytes(tmp_path, content):
    load(tmp_path, content)


@settings(always, max_examples=20)
@given(st.dictionaries(st.sampled_from(sorted(STUDY)) | odd_text, value, max_size=2))
@example({"models": True})
def test_config_overrides(tmp_path, overrides):
    load(tmp_path, yaml.safe_dump(STUDY).encode(), overrides)


# -- task files, and files of ours that were damaged --

TASK = {
    "description": "d",
    "measures": "m",
    "seed": 1,
    "count": 4,
    "prompt": {"chat": {"prefix": "p", "suffix": "{correct_answer} {incorrect_answer}"}},
    "lexicon": {"up": ["a", "b"], "down": [{"x": "c", "y": 1}]},
    "slots": {"again": "up"},
    "constraints": {"differ": [["up", "again"]]},
    "contrast": {"thing": ["{up}", "{down.x}"]},
    "answers": ["good", "poor"],
    "frames": [{"text": "the {thing} and {again} is", "contrast": {"thing": ["l", "r"]}}],
}


@st.composite
def task_files(draw):
    return changed(draw, TASK)


@always
@given(task_files())
@example({**TASK, "slots": {"again": []}})
@example({**TASK, "slots": {"again": {"up": "a"}}})
def test_task_files(tmp_path, content):
    path = tmp_path / "language" / "t.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    try:
        items = expand("language/t", load_definition(path), seed=0, count=4)
    except UserError as error:
        return one_line(error)
    write_items(tmp_path / "items.json", items)


@always
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@example(b"[" * 200_000)
@example(b"a: !!python/object/apply:os.system ['touch poisoned']")
@example(b"a: 2001-99-99")
@example(b"a: " + b"1" * 5000)
@example(b"? [a, b]\n: c")
@example(b"a: &a [*a]")
def test_task_files_of_any_bytes(tmp_path, content):
    path = tmp_path / "language" / "t.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_definition(path)
    one_line(caught.value)


@always
@given(value)
def test_our_json_with_any_value(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    for read in (read_items, Baseline.read, ModelCard.read, WeightsRecord.read):
        with pytest.raises(UserError) as caught:
            read(path)
        one_line(caught.value)


@always
@given(st.binary(max_size=80))
@example(b"[" * 100_000)
@example(b"BRD1 " + b"0" * 160)
@example(b"\xff" * 16)
def test_our_files_with_any_bytes(tmp_path, content):
    path = tmp_path / "x.shard"
    path.write_bytes(content)
    assert Store(tmp_path).get("0" * 64) is None
    for read in (read_json, read_tensors):
        try:
            read(path)
        except UserError as error:
            one_line(error)
