"""brodmann: functional maps of language models.

Paths under results/ read as {model}/{stage}/{task}, where {task} is domain/name; what no model owns
(items, figures, report, provenance) lies beside the models. Named targets run one stage and what it
needs: models, items, baselines, attributions, masks, overlaps, ablations, localizers, networks, averages,
statistics, figures, report. Without a target everything is made.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/settings.smk"
include: "rules/models.smk"
include: "rules/items.smk"
include: "rules/circuits/baseline.smk"
include: "rules/circuits/attribution.smk"
include: "rules/circuits/agreement.smk"
include: "rules/circuits/overlap.smk"
include: "rules/circuits/ablation.smk"
include: "rules/circuits/ablation_matrices.smk"
include: "rules/localizers/localizer.smk"
include: "rules/networks/networks.smk"
include: "rules/comparison/network_use.smk"
include: "rules/comparison/network_agreement.smk"
include: "rules/statistics/imports.smk"
include: "rules/statistics/average.smk"
include: "rules/statistics/surface.smk"
include: "rules/statistics/statistics.smk"
include: "rules/comparison/written.smk"
include: "rules/figures/figures.smk"
include: "rules/report.smk"


# On a cluster: jobs of a run that was killed would write the same files as this run's.
onstart:
    wait_for_jobs_only(workflow)
    cancel_leftovers(Path.cwd())


rule all:
    default_target: True
    input:
        rules.models.input,
        rules.items.input,
        rules.baselines.input,
        rules.attributions.input,
        rules.masks.input,
        rules.overlaps.input,
        rules.ablations.input,
        rules.localizers.input,
        rules.networks.input,
        rules.averages.input,
        rules.statistics.input,
        rules.figures.input,
        rules.report.input,
        "results/provenance.json",
