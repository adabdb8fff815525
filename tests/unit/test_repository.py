"""The repository's own promises: pins agree, profiles do not collide, nothing is undocumented."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import yaml
from snakemake.resources import Resource

from brodmann.pipeline.stages import JOBS, PASSES
from brodmann.tasks.catalogue import list_tasks

PIN = re.compile(r"^([a-z0-9-]+)==([^ \\;]+)(?: ; python_full_version (<|>=) '3\.1[2-9]')?", re.M)


def locked(root, *names):
    """Package -> version for Python 3.11, as locked."""
    text = "\n".join((root / "locks" / f"{name}.txt").read_text() for name in names)
    return {package: version for package, version, newer in PIN.findall(text) if newer != ">="}


def requirement_names(requirements):
    return {re.split(r"[<>=]", requirement)[0] for requirement in requirements}


def test_conda_pins_are_the_locked_ones(root):
    pins = {**locked(root, "runtime"), "torch": torch_version(root)}
    environments = sorted((root / "workflow/envs").glob("*.yaml"))
    assert environments
    for path in environments:
        environment = yaml.safe_load(path.read_text())
        [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
        for pin in pip:
            name, version = pin.split("==")
            assert pins[name] == version, f"{path.name}: {pin}, locked {pins[name]}"


def torch_version(root):
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    [torch] = [d for d in dependencies if d.startswith("torch")]
    return torch.removeprefix("torch==")


def test_conda_environment_has_every_dependency(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    [environment] = [yaml.safe_load(p.read_text()) for p in (root / "workflow/envs").glob("*.yaml")]
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert requirement_names(pip) == requirement_names(project["dependencies"])


def test_every_dependency_is_locked(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = requirement_names(project["dependencies"]) - {"torch"}
    assert wanted <= locked(root, "runtime").keys()
    assert requirement_names(project["optional-dependencies"]["dev"]) <= locked(root, "dev").keys()


def test_both_locks_agree(root):
    runtime, dev = locked(root, "runtime"), locked(root, "dev")
    assert {name: dev[name] for name in runtime} == runtime


def test_rules_name_an_environment_and_a_log(root):
    for path in (root / "rules").rglob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            if "script:" in rule:
                assert "conda:" in rule and "log:" in rule, f"{path.name}: {rule.split(':')[0]}"


def test_every_rule_has_its_job(root):
    """The rules that workflow/scripts/job.py serves are those it knows, and their functions exist."""
    rules = {n: text for n, text in rule_texts(root).items() if "scripts/job.py" in text}
    text = (root / "workflow/scripts/job.py").read_text()
    jobs = {**JOBS, **dict(re.findall(r'^    "(\w+)": "(brodmann[\w.]+:\w+)"', text, re.M))}
    assert sorted(rules) == sorted(jobs)
    assert set(re.findall(r'^    "(\w+)": ', text, re.M)) <= jobs.keys()
    more = re.findall(r'^    "(\w+)": (?!"brodmann)', text, re.M)
    for rule, function in jobs.items():
        module, _, name = function.partition(":")
        path = Path(find_spec(module).origin)
        [found] = [
            node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        ]
        needed = {one.arg for one in found.args.args}
        defaults = zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True)
        needed |= {one.arg for one, default in defaults if default is None}
        given = set(re.findall(r"^        (\w+)=|\{(\w+)\}", rules[rule], re.M))
        given = {name for pair in given for name in pair} | {"study", "threads"}
        assert rule in more or needed <= given, (rule, needed - given)


def profiles(root):
    return {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (root / "profiles").glob("*/config.yaml")
    }


def test_no_profile_shares_a_key_with_the_default(root):
    """profiles/default is loaded with every profile and wins over it."""
    found = profiles(root)
    default = found.pop("default")
    for name, profile in found.items():
        assert not set(default) & set(profile), name
    assert not set(default) & {"cores", "jobs", "executor", "default-resources", "set-resources"}


def rule_texts(root):
    """Rule -> what its file says of it."""
    text = "".join(path.read_text() for path in (root / "rules").rglob("*.smk"))
    return {rule.partition(":")[0]: rule for rule in re.split(r"^rule ", text, flags=re.M)[1:]}


def test_a_cluster_runs_on_gpus_what_loads_a_model(root):
    """The profile tells the partition from the threads, which only passes ask for."""
    rules = rule_texts(root)
    assert {name for name, text in rules.items() if "    threads:" in text} == set(PASSES)
    [number] = re.findall(r"^MODEL_THREADS = (\d+)", (root / "rules/common.smk").read_text(), re.M)
    asked = profiles(root)["slurm"]["default-resources"]["slurm_partition"]
    partition = Resource.from_cli_expression("slurm_partition", asked, with_threads_arg=True)
    given = {"wildcards": None, "input": [], "attempt": 1, "rulename": "", "async_run": None}
    found = [partition.evaluate(**given, threads=n).value for n in (int(number), 1)]
    assert found == ["gpu", "cpu"]


def test_profiles_name_existing_rules(root):
    rules = rule_texts(root).keys()
    for name, profile in profiles(root).items():
        assert set(profile.get("set-resources", {})) <= rules, name


def test_rule_files_stay_short(root):
    for path in [root / "Snakefile", *(root / "rules").rglob("*.smk")]:
        assert len(path.read_text().splitlines()) <= 120, path.name


def test_light_modules_start_light(root):
    """What a Snakefile and a light job import must not pull in the heavy libraries."""
    code = (
        "import sys; import brodmann.pipeline.workspace, brodmann.circuits.stages.baseline, "
        "brodmann.pipeline.items, brodmann.pipeline.models, brodmann.pipeline.record, "
        "brodmann.commands.check; "
        "print([m for m in ('torch', 'transformers', 'nnsight', 'pandas', 'numpy', 'matplotlib') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_layers(root):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
        ],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_shipped_config_is_valid(root):
    from brodmann.config.load import load_config

    loaded = load_config([root / "config.yaml"], root=root)
    assert loaded.study.models and loaded.study.tasks.selected


def test_config_page_and_schema_are_up_to_date(root):
    from brodmann.config.document import config_page
    from brodmann.config.schema import schema_page

    for file, written in (
        ("docs/config.md", config_page()),
        ("workflow/schemas/config.schema.yaml", schema_page()),
    ):
        kept = (root / file).read_text(encoding="utf-8")
        assert kept == written, f"{file}: run python -m brodmann.config.document"


def test_generator_page_is_up_to_date(root):
    from brodmann.tasks.generators.document import PAGE, document

    fix = "run: python -m brodmann.tasks.generators.document"
    assert PAGE.read_text(encoding="utf-8") == document(), fix


# A path of the repository in backticks, file or folder; NAME stands for what a reader adds.
_PLACE = re.compile(
    r"`((?:src|rules|tests|workflow|docs|data|stimuli|config|profiles|tools)/[^`\s]*|[\w.-]+\.(?:toml|ya?ml|md)|Snakefile)`"
)


@pytest.mark.parametrize("page", ["architecture.md", "extending.md"])
def test_pages_for_newcomers_name_files_that_exist(root, page):
    text = (root / "docs" / page).read_text(encoding="utf-8")
    named = {place for place in _PLACE.findall(text) if place != "config.yaml"}
    assert len(named) > 8
    for place in named:
        there = root / re.sub(r"[^/]*NAME.*", "", place)  # NAME is yet to come; its folder is there
        assert there.exists(), place


def test_the_architecture_page_shows_every_wing_in_the_order_of_imports(root):
    text = (root / "docs/architecture.md").read_text(encoding="utf-8")
    picture = text.split("```")[1]
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [re.findall(r"\w+", layer) for layer in contract["contracts"][0]["layers"]]
    packages = {path.parent.name for path in (root / "src/brodmann").glob("*/__init__.py")}
    places = [[picture.index(f"{name}/") for name in layer if name in packages] for layer in layers]
    assert {name for layer in layers for name in layer} >= packages
    # The maps stand side by side, whatever their order among each other.
    lines = [[picture[:place].count("\n") for place in layer] for layer in places if layer]
    for above, below in pairwise(lines):
        assert max(above) <= min(below)


def test_nothing_here_names_a_machine_or_a_registry(root):
    files = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    # Written so that this file does not find itself.
    words = [
        "/".join(["", "work", "main"]),
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "npmjs" + ".com",
    ]
    for name in files:
        path = root / name
        if path.is_file() and path.suffix not in {".png", ".pdf"}:
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not [word for word in words if word in text], name


def variables_and_targets(root):
    """Of the Makefile: name -> value, and the names of the targets that ``make help`` shows."""
    text = (root / "Makefile").read_text()
    variables = dict(re.findall(r"^([A-Z]+) := (.*)$", text, re.M))
    return variables, re.findall(r"^([a-z-]+):.*## ", text, re.M)


def test_make_help_shows_every_target(root):
    _, targets = variables_and_targets(root)
    [phony] = re.findall(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(), re.M)
    assert sorted(phony.split()) == sorted(targets)
    assert max(map(len, targets)) <= 13  # the width of the column


def workflows(root):
    """Name of a workflow of GitHub -> its jobs."""
    paths = (root / ".github/workflows").glob("*.yml")
    return {path.stem: yaml.safe_load(path.read_text())["jobs"] for path in paths}


def test_the_workflows_run_targets_that_exist(root):
    _, targets = variables_and_targets(root)
    run = [
        (name, re.sub(r'^sudo env "PATH=\$PATH" ', "", step["run"]))
        for jobs in workflows(root).values()
        for name, job in jobs.items()
        for step in job["steps"]
        if "run" in step
    ]
    made = {command.split()[1] for _, command in run if command.startswith("make ")}
    assert made <= set(targets)
    assert {"lint", "test", "test-all", "test-portable", "test-cluster", "docs", "demo"} <= made
    assert {"coverage", "mutants"} <= made
    # All else belongs to the job that tries the wheel.
    assert {name for name, command in run if not command.startswith("make ")} == {"wheel"}


def test_the_workflow_tests_every_python_on_every_kind_of_machine(root):
    matrix = workflows(root)["test"]["test"]["strategy"]["matrix"]
    assert [machine.split("-")[0] for machine in matrix["machine"]] == ["ubuntu", "ubuntu", "macos"]
    assert [machine.endswith("-arm") for machine in matrix["machine"]] == [False, True, False]
    assert matrix["python"] == [f"3.{minor}" for minor in supported_pythons(root)]


def supported_pythons(root):
    """Minor versions of Python 3."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    low, high = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    return range(low, high)


def test_the_workflows_run_a_python_that_is_supported(root):
    known = {f"3.{minor}" for minor in supported_pythons(root)} | {"${{ matrix.python }}"}
    for jobs in workflows(root).values():
        for name, job in jobs.items():
            [step] = [s for s in job["steps"] if "setup-python" in s.get("uses", "")]
            assert step["with"]["python-version"] in known, name


def test_the_workflows_take_every_action_at_one_commit(root):
    """A tag can be moved to other code; dependabot reads the version behind it."""
    texts = [path.read_text() for path in (root / ".github/workflows").glob("*.yml")]
    used = [line for text in texts for line in re.findall(r"uses: *(.*)", text)]
    pinned = [re.fullmatch(r"([\w/-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in used]
    assert used and all(pinned)
    assert len(set(used)) == len({found[1] for found in pinned})


def test_no_later_step_of_a_workflow_sees_the_token_of_the_checkout(root):
    for jobs in workflows(root).values():
        for name, job in jobs.items():
            [step] = [s for s in job["steps"] if "actions/checkout@" in s.get("uses", "")]
            assert step["with"] == {"persist-credentials": False}, name


def test_every_snakefile_is_held_to_its_format(root):
    """By make lint; the catalogue shows whether workflow/Snakefile is."""
    [words] = re.findall(r"snakefmt --check (.*)", (root / "Makefile").read_text())
    kept = {root / word for word in words.split()}
    found = [root / "Snakefile", *root.glob("workflow/**/Snakefile"), *root.glob("rules/**/*.smk")]
    assert len(found) > 10
    assert not [path for path in found if not kept & {path, *path.parents}]


def test_the_version_is_one(root):
    """Of the project, of the package, of the citation."""
    import brodmann

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text())
    assert project["version"] == brodmann.__version__ == cited["version"]
    assert re.search(
        rf"^## {re.escape(project['version'])}\b", (root / "CHANGELOG.md").read_text(), re.M
    )


def test_the_addresses_of_the_package_are_pages_of_the_repository(root):
    """A page of a package index has no other way to the source."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    home = yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"]
    assert project["urls"]["Homepage"] == home
    pages = [url.removeprefix(f"{home}/blob/main/") for url in project["urls"].values()]
    assert [page for page in pages if "://" not in page] == ["docs/index.md", "CHANGELOG.md"]
    assert all((root / page).is_file() for page in pages if "://" not in page)


def test_other_processors_are_played_by_settings_that_work(root):
    """The plain kernels of test-portable: torch says what it computes with."""
    variables, _ = variables_and_targets(root)
    settings = dict(setting.split("=") for setting in variables["PLAIN"].split())
    code = "import torch; print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    assert done.stdout.split() == ["DEFAULT", "1"]


def test_no_two_tasks_share_a_name_across_domains(root):
    names = [task.partition("/")[2] for task in list_tasks(root / "data")]
    assert not [pair for pair in combinations(names, 2) if pair[0] == pair[1]]
