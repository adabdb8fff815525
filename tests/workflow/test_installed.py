"""Without a clone: the wheel, installed where nothing of the checkout can be seen, runs a study.

Third-party packages are those of the running environment; brodmann is the wheel's alone.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from clone import LOCALIZER, TASKS, task_yaml

from brodmann.tasks.catalogue import list_tasks

pytestmark = pytest.mark.slow  # builds, installs, and runs a study


def built(kind: str, source: Path, folder: Path) -> Path:
    """The file that a build of the sources makes."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    [file] = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    """Built of the source distribution, as package indexes have it."""
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(built("sdist", root, folder / "sdist")) as archive:
        archive.extractall(folder, filter="data")
    [source] = folder.glob("brodmann-*")
    return built("wheel", source, folder / "wheel")


class Environment:
    """A virtual environment without pip and without the checkout, and a folder to stand in."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin, self.path = folder / "venv" / "bin", folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        python = str(self.bin / "python")
        install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
        subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
        [self.packages] = (folder / "venv").glob("lib/python*/site-packages")
        # No .pth file of these folders, such as one that names a checkout, is read.
        others = [path for path in sys.path if Path(path).name == "site-packages"]
        (self.packages / "others.pth").write_text("\n".join(others))
        # As pip writes it where it installs Snakemake.
        program = self.bin / "snakemake"
        program.write_text(f"#!{python}\nfrom snakemake.cli import main\n\nmain()\n")
        program.chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self.env = {**kept, "PATH": f"{self.bin}:{kept['PATH']}", "HOME": str(folder / "home")}
        self.env["BRODMANN_CACHE"] = str(folder / "cache")
        self.env.pop("BRODMANN_TASKS", None)

    def run(self, *words, here: Path | None = None, code: int = 0) -> str:
        """What a command says, stdout and stderr together."""
        done = subprocess.run(
            list(map(str, words)),
            cwd=here or self.path,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, f"{words}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel) -> Environment:
    return Environment(tmp_path_factory.mktemp("installed"), wheel)


def test_the_wheel_has_every_file_of_the_workflow(root, wheel):
    """What git has below these names (rules, tasks, texts, profiles ...), and the library, and no more."""
    sys.path.insert(0, str(root / "tools"))
    from wheel_hook import WORKFLOW

    def listed(*names):
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *names]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            pytest.skip("not a git checkout")
        return {name for name in done.stdout.splitlines() if (root / name).is_file()}

    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    workflow = {f"brodmann/shipped/{name}" for name in listed(*WORKFLOW)}
    library = {name.removeprefix("src/") for name in listed("src")}
    assert len(workflow) > 150 and len(library) > 300
    assert inside == workflow | library


def test_an_editable_installation_has_no_copy(root):
    """It would go stale: there the workflow is the clone's."""
    sys.path.insert(0, str(root / "tools"))
    from wheel_hook import Workflow

    hook = Workflow(str(root), {}, None, None, "", "wheel")
    for version, count in (("editable", 0), ("standard", 8)):
        data = {"force_include": {}}
        hook.initialize(version, data)
        assert len(data["force_include"]) == count


def test_nothing_of_the_checkout_is_seen(installed, root):
    code = "import brodmann.places as p, sys; print(p.ROOT, p.INSTALLED, *sys.path, sep='\\n')"
    place, inside, *searched = installed.run("python", "-c", code).splitlines()
    assert Path(place) == installed.packages / "brodmann" / "shipped" and inside == "True"
    assert not [path for path in searched if path and Path(path).is_relative_to(root / "src")]
    assert installed.run("brodmann", "snakefile").strip() == f"{place}/Snakefile"


def test_shipped_tasks_and_studies_are_found(installed, root):
    listed = installed.run("brodmann", "tasks", "--all").splitlines()
    assert [line.split()[0] for line in listed[1:]] == list_tasks(root / "data")
    installed.run("brodmann", "init", "begun")
    assert "8 tasks" in installed.run("brodmann", "check", here=installed.path / "begun")
    for words in (["brodmann", "run", "-n"], ["brodmann", "run", "-n", "--profile", "multi-gpu"]):
        said = installed.run(*words, here=installed.path / "begun")
        assert "steps to do; nothing has been run." in said
    assert "steps to do; nothing has been run." in installed.run("brodmann", "demo", "-n")
    assert not (installed.path / "results").exists()


def test_a_study_runs_without_a_clone(installed, tiny_weights):
    study = installed.path / "study"
    installed.run("brodmann", "init", study)
    for task in TASKS:
        file = study / "tasks" / f"{task}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump(task_yaml(task)))
    for domain in {task.partition("/")[0] for task in TASKS}:
        said = installed.packages / "brodmann" / "shipped" / "data" / domain / "domain.yaml"
        shutil.copy(said, study / "tasks" / domain)
    config = {
        "models": {"tiny": {"source": f"path:{tiny_weights}", "filter": "aligned"}},
        "tasks": {"folder": str(study / "tasks"), "include": ["*"], "min_items": 1},
        "localizer": {"networks": ["language"], **LOCALIZER},
    }
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    before = {path for path in installed.packages.rglob("*") if "__pycache__" not in path.parts}
    said = installed.run("brodmann", "run", "--cores", "2", here=study).splitlines()
    # The call, Snakemake's line on profiles, a line for each stage, then what was found and where it is.
    assert said[0].startswith("snakemake --profile ") and said[0].endswith("/Snakefile --cores 2")
    assert "Finding the circuits" in " ".join(said)
    [end] = [n for n, line in enumerate(said) if line.startswith("All ")]
    found = [line for line in said[end + 1 :] if not line.startswith("Snakemake's own log")]
    assert len(found) <= 7 and found[-2:] == [
        f"The report: {study}/results/report.html",
        f"The atlas: {study}/results/atlas/index.html",
    ]
    assert (study / "results/report.html").is_file()
    assert (study / "results/atlas/index.html").is_file()
    assert (study / "results/tiny/localizer/language/lesion.csv").is_file()
    # Nothing is written anywhere else.
    assert {"results", "logs", ".snakemake"} <= {path.name for path in study.iterdir()}
    after = {path for path in installed.packages.rglob("*") if "__pycache__" not in path.parts}
    assert after == before
    # Plain Snakemake sees the same study, finished.
    snakefile = installed.run("brodmann", "snakefile").strip()
    again = installed.run("snakemake", "-s", snakefile, "-n", "--cores", "1", here=study)
    assert "Nothing to be done" in again
    assert "brodmann run" not in installed.run("brodmann", "where", here=study)
    check_deployed(installed, study)


def check_deployed(installed: Environment, study: Path) -> None:
    """The same study in the layout that ``snakedeploy deploy-workflow`` writes: config/, profiles/, and a
    Snakefile that uses all rules as a module. It sees what is done, and makes what is missing."""
    shipped = installed.packages / "brodmann" / "shipped"
    for name in ("config", "profiles"):
        shutil.copytree(shipped / name, study / name)
    shutil.move(study / "config.yaml", study / "config" / "config.yaml")
    (study / "workflow").mkdir()
    (study / "workflow/Snakefile").write_text(
        'configfile: "config/config.yaml"\n\n\n'
        f'module brodmann:\n    snakefile: "{shipped}/workflow/Snakefile"\n    config: config\n\n\n'
        "use rule * from brodmann\n"
    )
    said = installed.run("snakemake", "-n", "--cores", "1", here=study)
    assert "Nothing to be done" in said
    (study / "results/report.html").unlink()
    said = installed.run("snakemake", "--cores", "1", here=study)
    assert "Writing the report" in said
    assert (study / "results/report.html").is_file()
