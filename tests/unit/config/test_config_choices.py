"""Settings that do not go together: the whole line that says so, with the line of the file."""

import pytest

from brodmann.config.load import examine
from brodmann.errors import UserError

STUDY = "models: {a: {source: 'hf:o/n'%s}}\ntasks: {include: [language/npi]}\n"


@pytest.fixture
def lines(root, tmp_path, monkeypatch):
    """What is wrong with a study of these sections, after two lines of models and tasks."""
    monkeypatch.chdir(tmp_path)

    def said(sections, model=""):
        (tmp_path / "study.yaml").write_text(STUDY % model + sections)
        try:
            _, problems = examine(["study.yaml"], root=root)
        except UserError as error:  # nothing can be read of the rest
            problems = error.problems
        return [str(problem) for problem in problems]

    return said


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            "localizer: {networks: [theory-of-mind, theory_of_mind], lesion: {tasks: []}}",
            "study.yaml:3: localizer.networks: holds theory_of_mind twice (keep one spelling)",
        ),
        (
            "attribution: {estimator: exact, stability: {items: [10]}}",
            "study.yaml:3: attribution.stability.items: exact has no circuits of resampled items "
            "(choose another estimator)",
        ),
        (
            "faithfulness: {fractions: [10]}",
            "study.yaml:3: faithfulness.fractions: a curve has at least two sizes (e.g. [0, 1, 10, 100])",
        ),
        (
            "granularity: {levels: [heads]}",
            "study.yaml:3: granularity.levels: needs attributions of heads "
            "(add to attribution.components, or leave levels out)",
        ),
        (
            "attribution: {components: [neurons, heads], estimator: exact}\ngranularity: {levels: [mixed]}",
            "study.yaml:4: granularity.levels: mixed: effects that are measured unit by unit do not add "
            "up to a layer's (choose another attribution.estimator, or leave it out)",
        ),
        (
            "selection: {main: .inf}",
            "study.yaml:3: selection.main: found inf, a finite number is needed",
        ),
        (
            "average: {exclude: [-.inf]}",
            "study.yaml:3: average.exclude[0]: found -inf, a finite number is needed",
        ),
    ],
)
def test_what_does_not_go_together(lines, sections, line):
    assert lines(sections + "\n") == [line]


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            "gpus: 2",
            "models.a.gpus: several GPUs need a device_map, which spreads the model over them "
            "(set device_map: auto, or parallel: tensor)",
        ),
        (
            "gpus: 2, parallel: tensor, device_map: auto",
            "models.a.device_map: every GPU has a share of every layer with parallel: tensor "
            "(remove it, or set parallel: layers)",
        ),
        (
            "parallel: tensor",
            "models.a.parallel: tensor shares a model among several GPUs, and gpus is 1 "
            "(set gpus to their number)",
        ),
        (
            "max_memory: {cpu: 1GiB}",
            "models.a.max_memory: has no meaning without a device_map (set device_map: auto)",
        ),
    ],
)
def test_devices_that_do_not_go_together(lines, model, line):
    assert lines("", f", {model}") == [f"study.yaml:1: {line}"]


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            "compare: {pairs: [[a]]}",
            "compare.pairs: 'a' is no pair of models (e.g. [full, quantised])",
        ),
        ("compare: {pairs: [[a, b]]}", "compare.pairs: no model 'b' (allowed: a)"),
        (
            "localizer: {range: most, lesion: {tasks: []}}",
            "localizer.range: 'most' is no range (write two percentiles, e.g. 90-100)",
        ),
        (
            "localizer: {range: 90-101, lesion: {tasks: []}}",
            "localizer.range: '90-101' goes beyond 100 (percentiles are from 0 to 100)",
        ),
        (
            "networks: {datasets: {a: 'corpus:new'}}",
            "networks.datasets.a: no shipped corpus 'new' (did you mean 'news'?)",
        ),
        (
            "networks: {datasets: {a: 'task:language/agreement'}}",
            "networks.datasets.a: 'language/agreement' is not among the tasks of the study "
            "(did you mean 'language/npi'?)",
        ),
        (
            "networks: {datasets: {a: 'hf:o/n:c:s:more'}}",
            "networks.datasets.a: not the name of a dataset (write hf:ORG/NAME[:CONFIG][:SPLIT][#COLUMN])",
        ),
    ],
)
def test_names_that_a_study_does_not_have(lines, sections, line):
    assert lines(sections + "\n") == [f"study.yaml:3: {line}"]


def test_devices_that_do(lines):
    assert (
        lines("", ", gpus: 2, parallel: tensor") == lines("", ", gpus: 2, device_map: auto") == []
    )


def test_a_folder_that_snakemake_would_rewrite_is_named(lines, tmp_path):
    (tmp_path / "my {texts}").mkdir()
    [line] = lines("networks: {datasets: {a: 'my {texts}'}}\n")
    assert line == (
        f"study.yaml:3: networks.datasets.a: {tmp_path}/my {{texts}}: Snakemake would read '{{texts}}' "
        "as a variable (give the folder or file another name)"
    )


def test_published_items_have_no_difficulties(lines, tmp_path):
    (tmp_path / "published/config/MD").mkdir(parents=True)
    (tmp_path / "published/config/MD/config.json").write_text('{"add": {"path": "add.json"}}')
    config = (
        "models: {a: {source: 'hf:o/n'}}\n"
        "tasks: {published: published, include: [formal/add], difficulty: {formal/add: hard}}\n"
        "localizer: {networks: [], lesion: {tasks: []}}\n"
    )
    (tmp_path / "study.yaml").write_text(config)
    _, problems = examine(["study.yaml"], root=tmp_path)
    said = [str(problem) for problem in problems if "difficult" in str(problem)]
    what = "the published layout has no difficulties (remove it, or tasks.published)"
    assert said == [f"study.yaml:2: tasks.difficulty: {what}"]
