"""A domain that a user adds has its colour, its name and cues of its own in every figure."""

import importlib
import shutil

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from brodmann.config.load import load_config
from brodmann.figures import style
from brodmann.figures.composition import draw_composition
from brodmann.figures.panels import domain_patches
from brodmann.figures.registry import family_of
from brodmann.pipeline.workspace import Workspace
from brodmann.tasks import domains

ADDED = {"music": ("Music theory", "#0B6623"), "art": ("art", "#123456")}


@pytest.fixture(autouse=True)
def added(root, tmp_path, monkeypatch):
    """A workflow with the shipped domains and two more."""
    for path in (root / "data").glob("*/domain.yaml"):
        (tmp_path / path.parent.name).mkdir()
        shutil.copyfile(path, tmp_path / path.parent.name / "domain.yaml")
    for folder, (name, colour) in ADDED.items():
        (tmp_path / folder).mkdir()
        text = f'name: {name}\ncolour: "{colour}"\ntext: Added by a user.\n'
        (tmp_path / folder / "domain.yaml").write_text(text)
    with monkeypatch.context() as patched:
        patched.setattr(domains, "DATA", tmp_path)
        importlib.reload(style)
        yield
    importlib.reload(style)


def test_cues_of_added_domains():
    shown = style.ordered_domains(["all", "music", "shared", "social", "art", "language", "music"])
    assert shown == ["language", "social", "art", "music", "shared", "all"]
    cues = (style.domain_colour, style.domain_marker, style.DOMAIN_HATCHES.get)
    for cue in cues:
        assert len({cue(name) for name in domains.names()}) == 6
    patches = domain_patches(["music/a", "language/b", "art/c"])
    assert [patch.get_label() for patch in patches] == ["language", "art", "Music theory"]
    assert to_hex(patches[2].get_facecolor()) == "#0b6623"


def test_an_added_domain_is_drawn():
    rows = [
        {"bin": place, "owner": owner, "count": 2, "layers": 1, "per_layer": 2.0, "log": 0.5}
        for place in range(3)
        for owner in ("language", "music", "shared")
    ]
    figure = draw_composition({"tiny": pd.DataFrame(rows)}, title="a title")
    bars = {to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches}
    assert "#0b6623" in bars
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "shared",
        "Music theory",
        "language",
    ]


def test_figures_are_drawn_again_for_another_colour(root, tmp_path):
    """What an added domain says is among the settings that a figure's rule is held against."""
    config = tmp_path / "study.yaml"
    config.write_text('models: {a: {source: "hf:o/x"}}\ntasks: {include: [language/npi]}\n')
    workspace = Workspace(load_config([config], root=root), root)
    settings = workspace.figure_settings(family_of("study_figures"))({})
    assert settings["domains"] == {"art": ["art", "#123456"], "music": ["Music theory", "#0B6623"]}
