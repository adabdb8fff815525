"""The study that the drill is held on: small, with every kind of job in it."""

import numpy as np
import pandas as pd
from clone import LOCALIZER, SEED, TASKS, Clone, set_up, write_networks
from player import Player, record_jobs, recorded
from tiny_models import save_tiny

IMPORTED = ("Lan/agreement", "MD/sums", "ToM/manners")


def run_drill(root, folder) -> Clone:
    """The study after a complete run.

    Networks are compared between models, and a series has several, but more models in everything would make
    each drill as many times longer: they are in the config for as long as these files need them.
    """
    clone = set_up_drill(root, folder)
    alone = clone.config()
    second = {**alone["models"]["tiny"], "untrained": True, "control": True}
    clone.write_config({**alone, "models": {**alone["models"], "untrained": second}})
    compared = ("results/statistics/fingerprint.csv", "results/figures/networks_across.png")
    clone.snakemake(*compared)
    steps = {**alone["models"]["tiny"], "source": f"path:{folder}", "ablation": False}
    steps |= {"series": {"paths": ["weights"], "steps": [1]}, "networks": False}
    pairs = {"compare": {"pairs": [["tiny", "steps@1"]]}}
    clone.write_config({**alone, **pairs, "models": {**alone["models"], "steps": steps}})
    clone.snakemake(
        *("results/statistics/series.csv", "results/figures/series.png"),
        "results/statistics/compared.csv",
    )
    clone.write_config(alone)
    clone.snakemake()
    # A study that tries estimators compares the usual ones no further: these have a model of their own.
    found = alone["attribution"]
    plain = {key: value for key, value in found["agreement"].items() if key != "estimators"}
    models = {**alone["models"], "plain": alone["models"]["tiny"]}
    clone.write_config({**alone, "models": models, "attribution": {**found, "agreement": plain}})
    compared = ("attribution/neurons.agreement.csv", "figures/agreement.plain.neurons.png")
    clone.snakemake(f"results/plain/{compared[0]}", f"results/{compared[1]}")
    clone.write_config(alone)
    # Of the study's own tables, as drills make it.
    jobs, player = recorded(clone.path), Player()
    for rule in ("series", "series_figure", "compared_models"):
        assert player.play(jobs[rule][0], clone.path).code == 0, rule
    return clone


def set_up_drill(root, folder) -> Clone:
    """A tiny model that is run, and one of which only matrices in the published layout are there."""
    weights = save_tiny(folder / "weights", "llama", SEED)
    clone = set_up(root, folder / "clone", weights)
    record_jobs(clone)
    write_imported(folder / "published" / "theirs")
    config = clone.config()
    config["models"]["theirs"] = {
        "source": "results:theirs",
        "accuracies": {"table": "accuracies.csv"},
    }
    (folder / "published" / "accuracies.csv").write_text(
        "Domain,Task,theirs\nLanguage,agreement,71.5\nMD,sums,80\nToM,manners,\n"
    )
    config |= {
        "results_from": str(folder / "published"),
        "selection": {"percents": [0.1, 5], "main": 5},
        "attribution": {
            "agreement": {
                "tasks": [TASKS[0]],
                "units": 3,
                "items": 2,
                "estimators": ["patching at last", "relp at all"],
            },
            "stability": {"items": [2], "draws": 3},
            "splits": 4,
            "bootstraps": 4,
        },
        "ablation": {"percents": [5], "layer_matched_trials": 1, "random_trials": 1},
        "granularity": {"levels": ["neurons", "mlp_layers"]},
        "faithfulness": {
            "tasks": [TASKS[0]],
            "fractions": [0, 50, 100],
            "bootstraps": 5,
            "rivals": {"rounds": 1},
        },
        "localizer": {**LOCALIZER, "massive": "separate"},
        "statistics": {"permutations": 20, "experts": True},
        "networks": write_networks(clone),
    }
    clone.write_config(config)
    return clone


def write_imported(folder) -> None:
    """Matrices as the published study has them."""
    values = np.random.default_rng(0).uniform(0, 0.5, (3, 3)).round(4)
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    tables = {
        "overlap/positive_5.0pct_overlap.csv": values,
        "ablation_analysis/positive_5.0pct_corrupted_accuracy.csv": values - 0.3,
    }
    for name, table in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table, IMPORTED, IMPORTED).round(4).to_csv(path, index_label="")


def writes_to_try(count: int) -> list[int]:
    """Of ``count`` writes all, if they are those of one file; else the first, the middle, the last."""
    wanted = range(1, count + 1) if count <= 6 else {1, count // 2, count}
    return sorted(n for n in wanted if 1 <= n <= count)
