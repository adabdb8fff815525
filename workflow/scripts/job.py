"""The jobs: which function does the work of a rule, and what it takes beyond what the rule gives it.

A function gets by their names, from the rule's wildcards, inputs, outputs and params, all arguments that the
rule names as the function does (and ``study`` and ``threads``); ``MORE`` are those that it does not name.
"""

from itertools import product
from pathlib import Path

from brodmann.pipeline import job

given, made, asked, here = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards
workflow = Path(snakemake.config["snakefile"]).parent / "workflow"

JOBS = {
    "settings": "brodmann.files:write_json",
    "expand_items": "brodmann.pipeline.items:expand_task",
    "expand_second_items": "brodmann.pipeline.items:expand_task",
    "fetch_model": "brodmann.pipeline.models:fetch_weights",
    "check_model": "brodmann.pipeline.models:check_model",
    "baseline_pass": "brodmann.circuits.stages.baseline:run_pass",
    "baseline": "brodmann.circuits.stages.baseline:write_baseline",
    "attribution_pass": "brodmann.circuits.stages.attribution:run_pass",
    "attribution": "brodmann.circuits.stages.attribution:write_attribution",
    "circuit_masks": "brodmann.circuits.stages.attribution:write_masks",
    "agreement": "brodmann.circuits.stages.agreement:write_agreement",
    "overlap": "brodmann.circuits.stages.overlap:write_overlaps",
    "ablation_pass": "brodmann.circuits.stages.ablation:run_pass",
    "ablation": "brodmann.circuits.stages.ablation:write_tables",
    "ablation_matrices": "brodmann.circuits.stages.ablation:write_matrices",
    "forecast": "brodmann.circuits.stages.forecast:write_forecasts",
    "localizer_pass": "brodmann.localizers.stages.localizer:run_pass",
    "localizer": "brodmann.localizers.stages.localizer:write_localizer",
    "lesion_pass": "brodmann.localizers.stages.lesion:run_pass",
    "lesion": "brodmann.localizers.stages.lesion:write_table_of",
    "networks_pass": "brodmann.networks.stages.decomposition:run_pass",
    "network_tables": "brodmann.networks.stages.decomposition:write_networks",
    "fingerprint": "brodmann.networks.stages.following:write_fingerprint",
    "network_use_pass": "brodmann.comparison.stages.network_use:run_pass",
    "network_use": "brodmann.comparison.stages.network_use:write_all",
    "network_agreement": "brodmann.comparison.stages.maps:write_agreement",
    "written": "brodmann.comparison.stages.written:write_written",
    "provenance": "brodmann.pipeline.record:write_provenance",
    "methods": "brodmann.report.methods:write_methods",
    "write_report": "brodmann.report.page:write_page",
}


def templates(_):
    """Dataset -> file of its networks."""
    return {"template_files": dict(zip(asked.datasets, given.templates, strict=True))}


def masks(_):
    """Task -> file of its circuit."""
    return {"mask_files": dict(zip(asked.tasks, given.masks, strict=True))}


def use(study):
    """What networks do, as pages show it."""
    from brodmann.figures.network_use import save_example

    return {**templates(study), "folder": f"results/{here.model}/networks", "draw": save_example}


def maps(study):
    """The maps that are compared."""
    from brodmann.comparison.stages.network_use import use_stage

    return {**masks(study), "stage": use_stage(study, given.model_json, **templates(study))}


def page(study):
    """The report."""
    from brodmann.report.compose import compose
    from brodmann.statistics.inventory import Inventory

    words = workflow / "report"
    composed = compose(study, Inventory.from_params(asked.matrices), asked.figures, words)
    return {"page": composed, "template": words / "report.html.j2"}


MORE = {
    "settings": lambda _: {"path": made[0], "value": asked.settings},
    "expand_items": lambda _: {"definition": given[0]},
    "expand_second_items": lambda _: {"definition": given[0], "second": True},
    "fetch_model": lambda _: {"name": here.model},
    "check_model": lambda _: {"name": here.model},
    "attribution": lambda _: {"second_file": given.get("second_file")},
    "overlap": lambda _: {
        "mask_folder": f"results/{here.model}/masks/{here.component}",
        "folder": f"results/{here.model}/overlap/{here.component}",
    },
    "ablation_pass": lambda _: {"mask_folder": f"results/{here.model}/masks"},
    "ablation": lambda _: {"mask_folder": f"results/{here.model}/masks"},
    "ablation_matrices": lambda _: {
        "folder": f"results/{here.model}/ablation/{here.component}",
        "outputs": {Path(file).stem: file for file in made},
    },
    "forecast": lambda _: {
        "mask_folder": f"results/{here.model}/masks/{here.component}",
        "outputs": dict(zip(asked.selections, made, strict=True)),
    },
    "network_tables": lambda _: {"tables": {name: made[name] for name in asked.tables}},
    "fingerprint": lambda _: {
        "files": dict(zip(product(asked.models, asked.datasets), given, strict=True))
    },
    "network_use_pass": templates,
    "network_use": use,
    "network_agreement": maps,
    "written": masks,
    "provenance": lambda _: {"items": given.item_files},
    "methods": lambda _: {
        "bibliography_file": workflow / "report" / "methods.bib",
        "outputs": made,
    },
    "write_report": page,
}

job.run(snakemake, JOBS, MORE)
