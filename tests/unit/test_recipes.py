"""Recipes of containers and of pixi, the catalogue's file: what they name exists, and agrees with the locks.

Neither images nor environments are built here.
"""

import re
import shlex
import sys
import tomllib

import pages
import pytest
import yaml
from snakemake.cli import get_argument_parser

from brodmann.cli import parser

# What a clone is set up with (Makefile), beside the workflow and the library.
SET_UP = {"Makefile", "pyproject.toml", "README.md", "LICENSE", "locks", "tools/wheel_hook.py"}


@pytest.fixture
def needed(root):
    """What an image must hold: a clone that can be set up and run."""
    sys.path.insert(0, str(root / "tools"))
    from wheel_hook import WORKFLOW

    return SET_UP | set(WORKFLOW) | {"src"}


def steps(text):
    """(instruction, words) of a Dockerfile, lines that go on joined."""
    lines = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    return [(line.split()[0], shlex.split(line)[1:]) for line in lines if line.strip()]


def test_the_image_of_docker_holds_what_a_run_reads(root, needed):
    made = steps((root / "containers/Dockerfile").read_text())
    copies = [(number, words) for number, (kind, words) in enumerate(made) if kind == "COPY"]
    [setup] = [n for n, (kind, words) in enumerate(made) if kind == "RUN" and words[0] == "make"]
    copied = {}
    for number, (*sources, target) in copies:
        for source in sources:
            assert (root / source).exists(), source
            # Folders and files keep their places in the image.
            assert target in ("./", source), source
            copied.setdefault(source, number)
    before = {source for source, number in copied.items() if number < setup}
    # The package has its build hook, and the module by which hatchling knows it, when it is installed.
    assert before == SET_UP | {"src/brodmann/__init__.py"}
    assert set(copied) - {"src/brodmann/__init__.py"} == needed
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert "**" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == needed


def test_the_image_of_apptainer_is_the_same(root, needed):
    text = (root / "containers/brodmann.def").read_text()
    [files] = re.findall(r"^%files\n(.*?)^%", text, re.M | re.S)
    pairs = [line.split() for line in files.splitlines() if line.strip()]
    assert {source for source, _ in pairs} == needed
    assert all(target == f"/opt/brodmann/{source}" for source, target in pairs)
    docker = (root / "containers/Dockerfile").read_text()
    [bare] = re.findall(r"^FROM (\S+)$", docker, re.M)
    assert f"From: {bare}\n" in text
    [path] = re.findall(r"^ENV PATH=(\S+)$", docker, re.M)
    assert f"export PATH={path}\n" in text
    # What make says of itself: a Python that it takes, and its variable for the build of torch.
    assert re.fullmatch(r"python:3\.1[123]-slim-\w+", bare)
    assert "make setup TORCH_BACKEND={{ TORCH_BACKEND }}" in text
    assert "TORCH_BACKEND ?= cpu" in (root / "Makefile").read_text()


def test_pixi_takes_the_versions_of_the_project(root):
    pixi = tomllib.loads((root / "pixi.toml").read_text())
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert pixi["dependencies"]["python"] == project["requires-python"]
    for feature in pixi["feature"].values():
        assert f"torch{feature['pypi-dependencies']['torch']['version']}" in project["dependencies"]
    assert {one for names in pixi["environments"].values() for one in names} == set(pixi["feature"])
    model = (root / "locks/model.txt").read_text().split()[0]
    assert pixi["tasks"]["model"]["cmd"].split()[-1] == model
    snakemake, brodmann = map(shlex.split, pixi["tasks"]["demo"]["cmd"].split(" && "))
    asked = get_argument_parser().parse_args(snakemake[1:])
    assert all((root / place).is_dir() for place in asked.profile)
    parser(brodmann[1:]).parse_args(brodmann[1:])


def test_the_catalogue_finds_what_its_standard_asks_for(root):
    found = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(found) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(found["mandatory-flags"]) == {"desc", "flags"}
    ways = found["software-stack-deployment"]
    assert set(ways) == {"conda", "apptainer", "apptainer+conda"} and any(ways.values())
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml", "README.md"):
        assert (root / name).is_file(), name


def test_the_page_on_configs_is_read_elsewhere(root):
    """The catalogue shows it, and snakedeploy copies it: a relative link would lead nowhere."""
    assert pages.links((root / "config/README.md").read_text()) == []
    home = tomllib.loads((root / "pyproject.toml").read_text())
    addresses = re.findall(r"\]\((\S+?)\)", (root / "config/README.md").read_text())
    cited = yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"]
    assert home["project"]["name"] in cited and len(addresses) > 2
    for address in addresses:
        assert address.startswith(f"{cited}/blob/main/")
        place, _, anchor = address.removeprefix(f"{cited}/blob/main/").partition("#")
        assert not anchor or anchor in pages.anchors(pages.read(root / place))
        assert (root / place).is_file()
