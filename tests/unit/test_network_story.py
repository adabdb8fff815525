"""What the report says of networks, from tables with the columns that the pipeline writes."""

import pandas as pd

from brodmann.networks.consistency import CONSISTENCY, TEMPLATE_IOU
from brodmann.pipeline.network_corrected import COLUMNS as CORRECTED
from brodmann.pipeline.network_editing import COLUMNS as EDITING
from brodmann.report.story import networks as story


def frame(columns, rows):
    table = pd.DataFrame(rows)
    assert set(table.columns) <= set(columns)
    return table.reindex(columns=list(columns))


def test_templates_of_different_datasets():
    rows = [
        ("news", 0, "news", 1, 0.9, 1),
        ("news", 0, "code", 0, 0.5, 1),
        ("news", 1, "code", 0, 0.1, 0),
    ]
    table = frame(TEMPLATE_IOU, [dict(zip(TEMPLATE_IOU, row, strict=True)) for row in rows])
    said = story.shared_sentence(table, "tiny", 0.2)
    assert "of 2 pairs" in said and " 1 have an IoU above 0.2 (largest 0.50)" in said
    assert story.shared_sentence(table[:1], "tiny", 0.2) is None


def test_consistency():
    rows = [{"dataset": "news", "template": n, "count": n, "denominator": 40} for n in (0, 3)]
    said = story.consistency_sentence(frame(CONSISTENCY, rows), "tiny", 0.2)
    assert "news: 1 of 2 templates" in said and "in 3 of 40" in said


def edit(condition, value, **more):
    basis = {"dataset": "news", "how": "inhibit", "metric": "perplexity", "intact": 30.0, "n": 9}
    return {**basis, "condition": condition, "value": value, "n_units": 5, **more}


def test_networks_that_cost_more_than_random_units():
    """network-1 harms, but less than random units; network-2 more than their mean, not than each draw."""
    table = frame(
        EDITING,
        [
            edit("network-0", 90.0, q_random=0.01, p_random=0.01),
            edit("network-1", 35.0, q_random=0.01, p_random=0.01),
            edit("network-2", 60.0, q_random=0.01, p_random=0.01),
            *[edit("random", 40.0 + n, control_of=f"network-{n}", seed=0) for n in (0, 1, 2)],
            edit("random", 70.0, control_of="network-2", seed=1),
        ],
    )
    worst, count = story.inhibition_sentences(table, "tiny")
    assert "network-0 of news (5 units) takes perplexity from 30.0 to 90.0" in worst
    assert "as many random units to 40.0 (1 draw); p = 0.01" in worst
    assert count.startswith("tiny: 1 of 3 networks cost more perplexity than each draw of random")


def test_a_corrected_prediction():
    row = {"dataset": "news", "network": "network-3", "how": "multiply", "amount": 1.02}
    row |= {"task": "language/npi", "margin_intact": -0.1, "margin_edited": 0.2, "choices": 8}
    row |= {"corrected_by_edit": 2, "spoiled_by_edit": 1}
    said = story.corrected_sentence(frame(CORRECTED, [row]), "tiny")
    assert "multiply 1.02 of network-3 of news puts right" in said
    assert "corrects 2 and spoils 1" in said


def test_nothing_corrected():
    assert "no prediction" in story.corrected_sentence(frame(CORRECTED, []), "tiny")
