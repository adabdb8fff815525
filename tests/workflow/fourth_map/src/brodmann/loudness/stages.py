"""Jobs of loudness: a pass that reads the units, a light job that lists the loudest."""

from __future__ import annotations

import json

from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.loudness import Settings
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner import costs
from brodmann.runner.bench import Bench
from brodmann.runner.costs import Cost, Effort, Job
from brodmann.runner.lengths import PROMPT
from brodmann.runner.stage import Stage
from brodmann.store.tables import write_table
from brodmann.store.work import Pass, Records, Work


def _effort(job: Job) -> Effort:
    return job.run(PROMPT * len(Settings.of(job.study).texts))


STAGES = (
    Stage("loudness_pass", ":run_pass", ("loudness",), Cost(_effort, costs.read)),
    Stage("loudness", ":write_loudness", ("loudness",), rule="loudness_table"),
)


def run_pass(
    study: Study, *, model_json: str, record_file: str, manifest: str, threads: int
) -> None:
    """Rule ``loudness_pass``: how loud every unit is."""
    card = ModelCard.read(model_json)
    texts = Settings.of(study).texts
    key = digest({"method": METHODS["loudness"], "model": card.identity(), "texts": texts})

    def loudness(bench: Bench) -> bytes:
        [(_, found)] = bench.activations("mlp_output").pooled(bench.texts(texts), "mean")
        return json.dumps(abs(found).mean(0).tolist()).encode()

    load = Bench.opener(study, card.name, record_file, threads)
    with Pass("loudness", card.name, manifest, load) as this:
        this.make([Work.one("loudness", key, loudness)])


def write_loudness(study: Study, *, manifest: str, output: str) -> None:
    """Rule ``loudness_table``: the loudest units."""
    import numpy as np

    from brodmann.loudness.loudness import loudest

    found = np.array(json.loads(Records(manifest, "loudness").get("loudness", "the loudness")))
    rows = loudest(found, Settings.of(study).units)
    write_table(output, rows, ("layer", "unit", "loudness"))
