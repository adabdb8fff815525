"""Circuits of larger units and of resampled items, from the passes to the tables, on a tiny study."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from golden.study import MODEL
from test_survey import ALONE, TASKS, make_study  # noqa: F401 (a fixture)

from brodmann.circuits.granularity import MASS, SIZE
from brodmann.circuits.stages import ablation, attribution, granularity, stability
from brodmann.circuits.stages.files import TaskFiles
from brodmann.errors import UserError
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.report.stability import stability_part
from brodmann.sites import LEVELS

GRANULARITY = {
    "levels": list(LEVELS),
    "percents": {
        "heads": [20.0],
        "mixed": [25.0],
        "mlp_layers": [50.0],
        "attention_layers": [50.0],
    },
}
STABILITY = {"items": [2, 4, 50], "draws": 5}


def circuits_of(made):
    """The light jobs and the pass that follow attributions, as their rules call them."""
    study, files, own = made.study, made.files, Path(made.own)
    for component in study.attribution.components:
        for task, items, baseline in zip(TASKS, files.items, files.baselines, strict=True):
            stem = own / "attribution" / component / task
            stem.parent.mkdir(parents=True, exist_ok=True)
            attribution.write_attribution(
                study,
                model_json=files.card,
                items_file=items,
                second_file=None,
                baseline_file=baseline,
                manifest=f"{made.store}/pass.json",
                component=component,
                output=f"{stem}.safetensors",
                replicates=f"{stem}.replicates.safetensors",
            )
            masks = [
                own / "masks" / component / sel / f"{task}.csv" for sel in study.selection.names
            ]
            for mask in masks:
                mask.parent.mkdir(parents=True, exist_ok=True)
            attribution.write_masks(
                study,
                model_json=files.card,
                component=component,
                attribution=f"{stem}.safetensors",
                outputs=masks,
                task=task,
            )


def _files(made):
    own = made.files
    return TaskFiles(own.card, own.items, own.baselines, f"{made.own}/attribution")


def ablated(made):
    given = {"model_json": made.files.card, "item_files": made.files.items}
    given |= {"baseline_files": made.files.baselines, "manifest": f"{made.store}/ablation.json"}
    folder = f"{made.own}/attribution"
    ablation.run_pass(
        made.study,
        record_file=made.files.record,
        mask_folder=f"{made.own}/masks",
        attribution_folder=folder,
        threads=1,
        **given,
    )
    if made.study.granularity.levels:
        outputs = {name: f"{made.own}/granularity/{name}.csv" for name in ("lesions", "circuits")}
        Path(made.own, "granularity").mkdir(exist_ok=True)
        granularity.write_granularity(
            made.study, files=_files(made), manifest=given["manifest"], **outputs
        )
        return [pd.read_csv(path, keep_default_na=False) for path in outputs.values()]
    return None


def test_from_passes_to_tables(kept, root):
    made = kept(attribution=ALONE | {"stability": STABILITY}, granularity=GRANULARITY)
    made.baseline(attributions=True).attribution()
    assert made.ledger()[1]["model_loads"] == 0, "circuits of fewer items are made on the way, too"
    circuits_of(made)
    _granularity(made)
    _stability(made, root)


def _granularity(made):
    lesions, circuits = ablated(made)
    [entry] = [one for one in made.ledger() if one["stage"] == "ablation"]
    trials = made.study.ablation.random_trials
    counts = lesions.groupby(["level", "target", "condition"]).size().unstack()
    assert set(counts.index.get_level_values("level")) == set(LEVELS)
    assert (counts["circuit"] == len(TASKS)).all() and (counts["intact"] == 1).all()
    assert (counts[SIZE] == trials).all() and (counts[MASS] == trials).all()
    # Circuits of neurons are those that are ablated anyway: the very same records.
    sel, kind = made.study.ablated_selections[0], made.study.ablation.kinds[0]
    own = lesions[(lesions["level"] == "neurons") & (lesions["condition"] == "circuit")]
    ablation.write_tables(
        made.study,
        files=_files(made),
        mask_folder=f"{made.own}/masks",
        manifest=f"{made.store}/ablation.json",
        component="neurons",
        outputs=[
            _placed(f"{made.own}/ablation/neurons/{sel}/{kind}/{task}.csv")
            for kind in made.study.ablation.kinds
            for task in TASKS
        ],
    )
    for task in TASKS:
        path = f"{made.own}/ablation/neurons/{sel}/{kind}/{task}.csv"
        table = pd.read_csv(path, keep_default_na=False)
        there = table[table["condition"] == "circuit"].set_index("source")
        here = own[own["target"] == task].set_index("source")
        assert here["score"].to_dict() == there["score"].to_dict()
    # A second pass finds all.
    before = entry["forward_passes"]
    ablated(made)
    last = made.ledger()[-1]
    assert before > 0 and (last["model_loads"], last["lesions"]) == (0, 0)
    # Sizes by hand: 2 layers of 4 heads and an MLP each, a quarter of 10, half of 2 layers.
    sizes = circuits.groupby(["level", "task"]).size().unstack()
    card = granularity.AblationStage.open(made.study, _files(made)).stage.card
    heads = card.n_layers * card.heads_per_layer
    assert (sizes.loc["mixed"] <= max(1, (heads + card.n_layers) // 4)).all()
    assert (sizes.loc["mlp_layers"] <= max(1, card.n_layers // 2)).all()
    assert set(circuits[circuits["level"] == "mixed"]["part"]) <= {"heads", "mlp_output"}
    whole = circuits[circuits["part"].isin(["mlp_output", "attention_output"])]
    assert set(whole["unit"]) == {""}
    assert ((lesions["mass"] >= 0) & (lesions["mass"] <= 1 + 1e-9)).all()


def _placed(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return path


def _stability(made, root):
    """Against circuits of lists that are drawn again, of contributions item by item."""
    sel = made.study.selection.main_name
    for component in made.study.attribution.components:
        stem = Path(f"{made.own}/overlap/{component}/{sel}.stability")
        stem.parent.mkdir(parents=True, exist_ok=True)
        stability.write_stability(
            made.study,
            model_json=made.files.card,
            component=component,
            tasks=TASKS,
            replicate_files=[
                f"{made.own}/attribution/{component}/{task}.replicates.safetensors"
                for task in TASKS
            ],
            manifest=f"{made.store}/pass.json",
            table=f"{stem}.csv",
            curves=f"{stem}.curve.csv",
        )
        table, curve = pd.read_csv(f"{stem}.csv"), pd.read_csv(f"{stem}.curve.csv")
        assert table["task"].tolist() == list(TASKS)
        assert (table["n_bootstraps"] == made.study.attribution.bootstraps).all()
        assert table["jaccard"].between(0, 1).all()
        assert (curve["n_draws"] == STABILITY["draws"]).all()
        # Of 50 items there are none.
        assert set(curve["n_units"]) <= {2, 4} and len(curve)
        for row in curve.to_dict("records"):
            expected = _expected(made, component, row["task"], int(row["n_units"]))
            assert row["jaccard"] == pytest.approx(expected, abs=0.1)
    say = Prose(root / "workflow" / "report")
    part = stability_part(Sources(made.study, None, Path("results"), frozenset(), say))
    text = " ".join(part.lead)
    assert (
        "tiny, neurons:" in text
        and "tiny, heads:" in text
        and "of 2 tasks have stable circuits" in text
    )
    assert "With lists of 2 to 50 items" in text
    assert len(part.tables) == 2 and len(part.tables[0].rows) == len(TASKS)


def _expected(made, component, task, count):
    """Mean Jaccard of circuits, as sets, of lists drawn as the pass draws them."""
    from brodmann.circuits.attribution import Attributor
    from brodmann.circuits.inclusion import Baseline
    from brodmann.circuits.stability import curve_weights
    from brodmann.circuits.stages.attribution import Stage
    from brodmann.runner.bench import Bench
    from brodmann.tasks.items import read_items

    place = TASKS.index(task)
    stage = Stage(made.study, made.files.card)
    if not hasattr(made, "bench"):
        made.bench = Bench.opener(made.study, MODEL, made.files.record, 1)()
    items = stage.list_of(
        read_items(made.files.items[place]), Baseline.read(made.files.baselines[place])
    )
    encoded = made.bench.encoded(items)
    each = {}
    for part in Attributor(made.bench.model, components=(component,)).contributions(task, encoded):
        for number, values in zip(part.numbers, part.values[component], strict=True):
            each[number] = values.numpy().reshape(-1).astype(float)
    seed = f"{made.study.attribution.seed}/{items.items.digest(items.plan.wording)}"
    weights = curve_weights(items.groups, [count], STABILITY["draws"], seed)
    means = weights.astype(float) @ np.array([each[n] for n in range(len(each))])
    size = max(1, int(means.shape[1] * made.study.selection.main / 100))
    sets = [{int(u) for u in np.argsort(-row)[:size] if row[u] > 0} for row in means]
    return float(np.mean([len(a & b) / len(a | b) for a, b in combinations(sets, 2)]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attribution": {"components": ["neurons"]}}, "needs attributions of heads"),
        ({"attribution": {"estimator": "exact"}}, "do not add up to a layer's"),
    ],
)
def test_levels_that_cannot_be_are_refused(kept, changes, said):
    with pytest.raises(UserError, match=said):
        kept(granularity=GRANULARITY, **changes)


def test_exact_effects_have_no_circuits_of_fewer_items(kept):
    with pytest.raises(UserError, match="exact has no circuits of resampled items"):
        kept(attribution={"estimator": "exact", "stability": STABILITY})


# Through Snakemake


@pytest.mark.slow
def test_rules_make_tables_and_figures(fresh):
    config = fresh.config()
    config["attribution"] = {"components": ["neurons", "heads"], "stability": STABILITY}
    config["granularity"] = {"levels": ["neurons", "mixed", "mlp_layers"]}
    fresh.write_config(config)
    figures = ["granularity.tiny", "stability.tiny.neurons", "stability.tiny.heads"]
    fresh.snakemake("stabilities", *[f"results/figures/{name}.csv" for name in figures])
    table = pd.read_csv(fresh.path / "results/statistics/granularity.csv")
    assert set(table["level"]) == {"neurons", "mixed", "mlp_layers"} and len(table) == 6
    # Three tasks of three domains: there is nothing within.
    assert table["within"].isna().all() and table["across"].notna().all()
    lesions = pd.read_csv(
        fresh.path / "results/tiny/granularity/lesions.csv", keep_default_na=False
    )
    assert not (lesions["ties"] < 0).any() and set(lesions["n"]) == {12}
    curve = pd.read_csv(
        fresh.path / "results/tiny/overlap/neurons/positive-0.1pct.stability.curve.csv"
    )
    assert sorted(set(curve["n_units"])) == [2, 4]
    # Another size costs its own lesions alone; no attribution is made again.
    config["granularity"]["percents"] = {"mixed": [40.0]}
    fresh.write_config(config)
    planned = fresh.planned("results/statistics/granularity.csv")
    assert planned["ablation_pass"] == planned["granularity"] == 1
    assert not {"attribution_pass", "ablation", "stability"} & set(planned)
