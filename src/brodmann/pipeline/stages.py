"""The stages of every map in one table, for plans, clusters, profiles, settings, jobs and drills.

Each map says which it has (``STAGES`` in ``brodmann.{map}.stages``), and is found by having them. Light: the
Snakefile reads it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import chain

from brodmann.config.study import Study
from brodmann.maps import AFTER, MAPS
from brodmann.runner.costs import Batch, Cost, Effort, Job
from brodmann.runner.footprint import Widths
from brodmann.runner.lengths import PROMPT
from brodmann.runner.stage import Stage

# Rows and tokens of the self-check: every site in three layers, and the intact row.
_CHECKED = 16 * 8


def _check_effort(job: Job) -> Effort:
    return job.run(200 * PROMPT)


def _check(study: Study, widths: Widths, batch: Batch) -> int:
    return widths.block(_CHECKED) + 3 * widths.logits(_CHECKED)


def stages_of(wing: str) -> Iterator[Stage]:
    """What a wing says of its stages, with the full names of their functions."""
    place = f"brodmann.{wing}.stages"
    for one in import_module(place).STAGES:
        yield replace(one, map=wing, run=f"{place}.{one.run}".replace(".:", ":"))


# In the order in which they run.
STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "check_model",
            "brodmann.pipeline.models:check_model",
            cost=Cost(_check_effort, _check),
            map="models",
        ),
        *chain.from_iterable(map(stages_of, (*MAPS, *AFTER))),
    )
}
# The rules of passes' shards (rules/shards/shards.smk) -> their passes.
SHARDS = {stage.shard: stage.name for stage in STAGES.values() if stage.pieces is not None}
# Rule -> the function that does its job; the last belong to no stage.
JOBS = {
    **{stage.rule or stage.name: stage.run for stage in STAGES.values()},
    "settings": "brodmann.files:write_json",
    "expand_items": "brodmann.pipeline.items:expand_task",
    "expand_second_items": "brodmann.pipeline.items:expand_task",
    "fetch_model": "brodmann.pipeline.models:fetch_weights",
    "printed_tables": "brodmann.statistics.study_tables:write_printed",
    "granularity_statistics": "brodmann.statistics.stages.granularity:write_granularity",
    "expert_profiles": "brodmann.statistics.stages.experts:write_profiles",
    "expert_statistics": "brodmann.statistics.stages.experts:write_experts",
    "series": "brodmann.statistics.stages.series:write_series",
    "compared_models": "brodmann.statistics.stages.compared:write_compared",
    "provenance": "brodmann.pipeline.record:write_provenance",
    "methods": "brodmann.report.methods:write_methods",
    "write_report": "brodmann.report.page:write_page",
    "write_atlas": "brodmann.atlas.write:write_atlas",
}
# The rules that load a model, and what each costs.
PASSES = {name: stage.cost for name, stage in STAGES.items() if stage.cost is not None}


def passes_of(study: Study, model: str) -> Iterator[Stage]:
    """The passes that are run for a model, in their order."""
    return (s for s in STAGES.values() if s.cost is not None and s.applies(study, model))
