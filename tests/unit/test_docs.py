"""The pages: links lead somewhere, commands and settings exist, generated pages are up to date."""

import argparse
import importlib.util
import re
import subprocess

import pages
import pytest
import yaml
from snakemake.cli import get_argument_parser

from brodmann.cli import COMMANDS, parser
from brodmann.config.problems import validated
from brodmann.config.source import ConfigSource
from brodmann.config.study import Config

# A page of docs, with a heading perhaps, as code, comments, messages and templates name it.
_MENTION = re.compile(r"\bdocs/[\w./-]+\.md(?:#[a-z0-9-]+)?")


def written(root):
    """Path -> text of every page that a reader may follow a link to."""
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("stimuli/**/*.md")]
    found += [*root.glob("config/*.md"), *root.glob(".github/**/*.md")]
    return {path: pages.read(path) for path in sorted(found)}


def test_links_lead_to_files_and_headings_that_exist(root):
    texts = written(root)
    broken = []
    for page, text in texts.items():
        for link in pages.links(text):
            place, _, anchor = link.partition("#")
            target = (page.parent / place).resolve() if place else page
            there = target.exists() and root in (target, *target.parents)
            if not there or (anchor and anchor not in pages.anchors(pages.read(target))):
                broken.append(f"{page.relative_to(root)}: {link}")
    assert not broken


def tracked(root):
    done = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in done.stdout.split()]


def test_pages_that_code_and_templates_name_exist(root):
    """In messages, docstrings, comments, templates of the report, rules, profiles and configs."""
    kinds = {".py", ".j2", ".smk", ".yaml", ".yml", ".toml", ".sh", ""}
    broken = []
    for path in tracked(root):
        # A test that adds a fourth map names the page that this map would have.
        if path.suffix not in kinds or path.name == "test_fourth_map.py" or not path.is_file():
            continue
        for mention in _MENTION.findall(path.read_text(encoding="utf-8", errors="replace")):
            place, _, anchor = mention.partition("#")
            target = root / place
            if not target.exists() or (anchor and anchor not in pages.anchors(pages.read(target))):
                broken.append(f"{path.relative_to(root)}: {mention}")
    assert not broken


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## What was not tested here", "what-was-not-tested-here"),
        ("## `results/{model}/model.json`", "resultsmodelmodeljson"),
        ("# Circuits, localizers and networks", "circuits-localizers-and-networks"),
        ("## Lock-in: [a page](x.md)", "lock-in-a-page"),
    ],
)
def test_anchors_are_those_of_github(heading, anchor):
    assert pages.anchors(heading + "\n") == {anchor}


def test_a_comment_in_a_block_is_no_heading_and_a_second_heading_has_a_number():
    text = "# A\n\n```sh\n# b\n```\n\n    # c\n\n## A\n"
    assert pages.anchors(text) == {"a", "a-1"}


def test_every_page_stands_once_in_the_navigation_of_the_site(root):
    text = pages.read(root / "docs/index.md")
    trees = [block for language, block in pages.blocks(text) if language == "{toctree}"]
    entries = [
        line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")
    ]
    entries = [re.sub(r".*<(.*)>", r"\1", entry) for entry in entries]  # the title in the menu
    entries.remove("self")
    found = sorted((root / "docs" / f"{entry}.md").resolve() for entry in entries)
    shown = [path for path in written(root) if path.parent == root or "docs" in path.parts]
    shown += [*root.glob("stimuli/**/*.md")]
    assert found == sorted(set(shown) - {root / "docs/index.md"})


def test_the_page_of_commands_is_up_to_date(root):
    place = root / "tools/document_cli.py"
    spec = importlib.util.spec_from_file_location("document_cli", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = (root / "docs/cli.md").read_text(encoding="utf-8")
    assert kept == module.page(), "run python tools/document_cli.py"


def test_every_argument_says_what_it_is():
    [commands] = [a for a in parser(COMMANDS)._actions if isinstance(a, argparse._SubParsersAction)]
    for name, command in commands.choices.items():
        assert [a.dest for a in command._actions if not a.help] == [], name


def rules(root):
    text = "".join(p.read_text() for p in [root / "Snakefile", *(root / "rules").rglob("*.smk")])
    return set(re.findall(r"^rule (\w+):", text, re.M))


def make_targets(root):
    return set(re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.M))


def test_commands_in_blocks_are_understood(root, capsys):
    """By the parsers of brodmann and Snakemake; targets are rules of the workflow or of the Makefile."""
    n, ours, snakemake = 0, parser(COMMANDS), get_argument_parser()
    for page, text in written(root).items():
        for program, *words in pages.commands(text):
            n += 1
            where = f"{page.relative_to(root)}: {program} {' '.join(words)}"
            try:
                if program == "brodmann":
                    # Of a command that becomes Snakemake: the words that it hands on.
                    words = getattr(ours.parse_args(words), "words", None)
                    if words is None:
                        continue
                if program in ("brodmann", "snakemake"):
                    given, unknown = snakemake.parse_known_args(words)
                    targets = {one for one in given.targets if "/" not in one}
                    assert not unknown and targets <= rules(root), where
                else:
                    targets = {word for word in words if "=" not in word}
                    assert targets <= make_targets(root), where
            except SystemExit:
                raise AssertionError(f"{where}: {capsys.readouterr().err}") from None
    assert n > 40


def test_commands_that_prose_names_exist(root):
    [commands] = [a for a in parser(COMMANDS)._actions if isinstance(a, argparse._SubParsersAction)]
    known = {name: command._option_string_actions for name, command in commands.choices.items()}
    theirs = get_argument_parser()._option_string_actions
    known |= {name: theirs for name in ("run", "demo")}
    for page, text in written(root).items():
        for program, first, *words in pages.mentioned(text):
            where = f"{page.relative_to(root)}: {program} {first}"
            if program == "make":
                assert "=" in first or first in make_targets(root), where
            elif program == "brodmann":
                assert first in known, where
                options = {word for word in words if word.startswith("--")}
                assert options <= known[first].keys(), where


def test_settings_in_blocks_are_valid(root):
    """Every block of YAML that holds nothing but sections of a config, beside a model if it names none."""
    n = 0
    for page, text in written(root).items():
        for language, block in pages.blocks(text):
            values = yaml.safe_load(block) if language == "yaml" else None
            if isinstance(values, dict) and values.keys() <= Config.model_fields.keys():
                n += 1
                values.setdefault("models", {"a": {"source": "hf:o/x"}})
                _, problems, _ = validated(values, ConfigSource())
                assert not problems, (page.name, block)
    assert n > 15
