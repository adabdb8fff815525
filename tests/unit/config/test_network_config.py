"""The block ``networks:``: what it means, and what is said when it is wrong."""

import textwrap
from pathlib import Path

import pytest

from brodmann.config.load import load_config
from brodmann.config.study import Study
from brodmann.errors import UserError

ROOT = Path(__file__).parents[3]
MODEL = 'models: {a: {source: "hf:org/name"}}\n'


@pytest.fixture
def load(tmp_path):
    def run(block):
        path = tmp_path / "config.yaml"
        path.write_text(MODEL + textwrap.dedent(block), encoding="utf-8")
        return load_config([path], root=ROOT).study

    return run


def test_nothing_is_sought_by_default(load):
    found = load("").networks
    assert not found.datasets and found.names == ()
    assert (found.method, found.site, found.scope, found.threshold) == (
        *("canica", "mlp_output", "all", 3.6),
    )
    assert (found.group_components, found.individual_components, found.restarts) == (10, 64, 10)


def test_sources_are_told_apart_and_resolved(load, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "some.jsonl").write_text("{}")
    study = load(
        """
        networks:
          layers: [3, 0]
          datasets:
            a: corpus:news
            b: texts
            c: some.jsonl#body
            d: hf:org/name:config:train#text
            e: task:formal/number_sequence
        """
    )
    found = study.networks.datasets
    assert [one.kind for one in found.values()] == ["corpus", "file", "file", "hf", "task"]
    assert found["b"].file == found["b"].source == str(tmp_path / "texts")
    assert found["c"].source == str(tmp_path / "some.jsonl#body")
    assert found["c"].file == str(tmp_path / "some.jsonl")
    assert found["e"].task == "formal/number_sequence" and found["a"].file is None
    assert study.networks.layers == (0, 3)
    assert Study.from_dict(study.to_dict()) == study


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("{datasets: {a: corpus:new}}", "no shipped corpus 'new' (did you mean 'news'?)"),
        ("{datasets: {a: nowhere}}", "no such file or folder"),
        ("{datasets: {a: 'hf:a b'}}", "not the name of a dataset"),
        ("{datasets: {a: task:formal/number_sequenc}}", "did you mean 'formal/number_sequence'?"),
        ("{datasets: {interpretation: corpus:news}}", "cannot be a dataset's folder"),
        ("{datasets: {editing.csv: corpus:news}}", "cannot be a dataset's folder"),
        ("{datasets: {'../x': corpus:news}}", "cannot be a dataset's folder"),
        ("{method: canika}", "did you mean 'canica'?"),
        ("{site: mlp}", "allowed: 'mlp_output'"),
        ("{layers: [-1]}", "allowed: 0 or more"),
        ("{max_tokens: 1}", "allowed: 2 or more"),
        ("{iou_threshold: 2}", "allowed: 1 or less"),
    ],
)
def test_what_is_wrong_is_said(load, block, expected):
    with pytest.raises(UserError) as caught:
        load(f"networks: {block}")
    assert expected in str(caught.value)
    assert all(str(problem).count("\n") == 0 for problem in caught.value.problems)


def test_texts_of_the_compared_localizer_are_what_its_use_depends_on(load):
    """Its texts are generated for the pass itself: no file says that they changed."""
    block = """
        networks: {datasets: {a: corpus:news}, editing: {localizer: theory_of_mind}}
        localizer: {answers: %s}
    """
    true, random = (load(block % answers) for answers in ("true", "random"))
    for stage in ("network_use_pass", "network_use"):
        assert true.stage_settings("a", stage) != random.stage_settings("a", stage)


@pytest.mark.parametrize(
    ("lesion", "editing", "passages", "corpus"),
    [
        ("passages: 6", "", 6, "prose.txt"),
        ("passages: 6, corpus: own.txt", "", 6, "own.txt"),
        ("passages: 6", "passages: 2", 2, "prose.txt"),
        # Of another text it is not known how many passages it has.
        ("passages: 6", "corpus: own.txt", None, "own.txt"),
    ],
)
def test_a_study_has_one_corpus_unless_it_says_otherwise(
    load, tmp_path, lesion, editing, passages, corpus
):
    """So that localizers' lesions and edited networks are set beside one intact perplexity."""
    (tmp_path / "own.txt").write_text("one passage\n\nanother\n", encoding="utf-8")
    study = load(f"""
        localizer: {{lesion: {{{lesion}}}}}
        networks: {{datasets: {{a: corpus:news}}, editing: {{{editing}}}}}
    """)
    found = study.networks.use.editing
    assert found.passages == passages and found.corpus.endswith(corpus)
