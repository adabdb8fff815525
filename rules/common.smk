"""The study (validated config), and what several rules share. Logic lives in src/brodmann."""

import os
import sys
from pathlib import Path

# In a clone the library lies beside the workflow: found without being installed, here and in every job. Where it is
# installed (pip), or this file was fetched by Snakemake, it is the installed one.
library = Path(str(workflow.current_basedir)).parent / "src"
if library.is_dir():
    sys.path.insert(0, str(library))

from brodmann import __version__
from brodmann.capacity.shards import Shards
from brodmann.methods import METHODS
from brodmann.models.card import card_method
from brodmann.pipeline.cluster import cancel_leftovers
from brodmann.pipeline.driver import (
    forget_what_was_waited_for,
    fork_jobs,
    show_to_containers,
    tell_what_is_asked,
    wait_for_jobs_only,
)
from brodmann.pipeline.stages import MAPS, STAGES
from brodmann.pipeline.targets import refuse_unknown
from brodmann.pipeline.terminal import take_over
from brodmann.pipeline.workspace import Workspace, alternatives
from brodmann.places import ROOT
from brodmann.sites import COMPONENTS as EVERY_COMPONENT
from brodmann.statistics.inventory import AVERAGE
from brodmann.store.masks import ORIGIN


# Where jobs run with --software-deployment-method apptainer: the image of this version, or one of your own (containers/).
container: os.environ.get("BRODMANN_IMAGE", f"docker://ghcr.io/brodmann-maps/brodmann:{__version__}")


show_to_containers(workflow, ROOT)
workspace = Workspace.open(workflow, config)
study = workspace.study

# Models that are run, and those of which only results are at hand.
MODELS = list(study.run_models)
IMPORTED = list(study.imported_models)
# Without a model to run no item is needed.
TASKS = list(study.tasks.selected) if MODELS else []
# In outputs: a rule that nobody needs has some, too.
MADE_TASKS = TASKS or ["none"]
# Tasks that have items of a second seed.
SECOND_TASKS = list(study.second_tasks)
AGREEMENT_TASKS = list(study.attribution.agreement.plain_tasks)
COMPONENTS = list(study.attribution.components)
SELECTIONS = list(study.selection.names)
MAIN_SELECTION = study.selection.main_name
# Every matrix that the study will hold, per model and averaged.
INVENTORY = workspace.inventory
STATISTICS = workspace.statistics_settings

# How many jobs share a pass over a model.
SHARES = Shards.of_run(workflow, study, workspace.data)
forget_what_was_waited_for()

# Threads that a model job asks for; Snakemake lowers it to the cores there are.
MODEL_THREADS = 8


wildcard_constraints:
    model=alternatives(MODELS),
    imported=alternatives(IMPORTED),
    shown=alternatives([*study.models, AVERAGE]),
    sel=alternatives([*SELECTIONS, *study.ablated_selections]),
    task=alternatives(study.tasks.selected),
    stage=alternatives(name for name, stage in STAGES.items() if stage.methods),
    component=alternatives(EVERY_COMPONENT),
    kind="corrupted|zero|mean",
    value="accuracy_drop|score",
    measure="containment|jaccard|doubly_stochastic|noise_corrected",
    shard=r"\d+",
    shards=r"\d+",


def needs(job):
    """What a job that loads a model asks for: GPUs, memory, time."""
    return SHARES.needs(job)


def shards_of(job):
    """An input function: the markers of a pass's shards."""
    return lambda wildcards: SHARES.markers(job, wildcards)


def tell_what_was_found():
    """On the terminal, when nothing is left to do."""
    from brodmann.report.found import tell

    tell(workspace, list(map(str, workflow.dag_settings.targets)))


def expected_seconds(job):
    """Of a job that loads a model, how long it may take, as far as that is known."""
    return SHARES.expected_seconds(job.rule.name, job.wildcards, submitted=not workflow.local_exec)


terminal = take_over(workflow, expected_seconds, tell_what_was_found, workspace.changed)
