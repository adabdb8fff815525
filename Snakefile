"""brodmann: functional maps of language models.

Paths under results/ read as {model}/{stage}/{task}, where {task} is domain/name; what no model owns
(items, figures, report, provenance) lies beside the models. Named targets run one stage and what it
needs: models, items, circuits (or of them baselines, attributions, masks, overlaps, ablations, sufficiency),
localizers, networks, averages, statistics, figures, report, atlas. Without a target everything is made.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/settings.smk"
include: "rules/models.smk"
include: "rules/items.smk"


# A map's rules are those in its folder.
for wing in (*MAPS, "comparison", "statistics", "figures"):
    for file in sorted(Path(ROOT, "rules", wing).glob("*.smk")):

        include: str(file)


include: "rules/shards/shards.smk"
include: "rules/report.smk"


# On a cluster: jobs of a run that was killed would write the same files as this run's.
onstart:
    tell_what_is_asked(workflow)
    wait_for_jobs_only(workflow)
    fork_jobs(workflow, study)
    cancel_leftovers(Path.cwd())


onsuccess:
    if terminal is not None:
        terminal.finished()


rule circuits:
    """Everything about circuits."""
    input:
        rules.baselines.input,
        rules.attributions.input,
        rules.masks.input,
        rules.overlaps.input,
        rules.ablations.input,
        rules.sufficiency.input,


# It shows all maps.
include: "rules/atlas.smk"


# Every map has a target of its name.
rule all:
    default_target: True
    input:
        rules.models.input,
        rules.items.input,
        [getattr(rules, name).input for name in MAPS],
        rules.figures.input,
        "results/provenance.json",
        # They are about circuits first of all.
        (
            [
                rules.pages_of_units.input,
                rules.averages.input,
                rules.statistics.input,
                rules.report.input,
                rules.atlas.input,
            ]
            if COMPONENTS
            else []
        ),


refuse_unknown(workflow)
