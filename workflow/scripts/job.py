"""The jobs: which function does the work of a rule, and what it takes beyond what the rule gives it.

A function gets by their names, from the rule's wildcards, inputs, outputs and params, all arguments that the
rule names as the function does (and ``study`` and ``threads``); ``MORE`` are those that it does not name.
"""

from itertools import product
from pathlib import Path

from brodmann.pipeline import job, stages
from brodmann.places import ROOT

given, made, asked, here = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards
workflow = ROOT / "workflow"


def templates(_):
    """Dataset -> file of its networks."""
    return {"template_files": dict(zip(asked.datasets, given.templates, strict=True))}


def masks(_):
    """Task -> file of its circuit."""
    return {"mask_files": dict(zip(asked.tasks, given.masks, strict=True))}


def paged(study):
    """A model's networks, and the circuits whose units have pages, if any have."""
    found, count = {}, len(asked.tasks)
    if study.atlas.on:
        for number, component in enumerate(asked.components):
            files = given.masks[number * count : (number + 1) * count]
            found[component] = dict(zip(asked.tasks, files, strict=True))
    return {**templates(study), "mask_files": found if study.atlas.on else None}


def pages(_):
    """A model's networks and records of pages, if it has any."""
    files = given.get("templates", ())
    return {
        "template_files": dict(zip(asked.datasets, files, strict=True)) if files else {},
        "tokens_manifest": given.get("tokens_manifest"),
        "attribution_manifest": given.get("attribution_manifest", ""),
        **attributed(),
    }


def each_mask():
    """Every task's attribution, and the files of its masks."""
    number = len(asked.selections)
    files = [made[start : start + number] for start in range(0, len(made), number)]
    return each(task=asked.tasks, attribution=given.attributions, outputs=files)


def each(**arguments):
    """The arguments of every task; those of which there are none are None."""
    lists = {name: list(values) for name, values in arguments.items()}
    count = max(map(len, lists.values()))
    columns = [values or [None] * count for values in lists.values()]
    return [dict(zip(lists, row, strict=True)) for row in zip(*columns, strict=True)]


def attributed():
    """Where the attributions of the wildcards' model are."""
    return {"attribution_folder": f"results/{here.model}/attribution"}


def of_tasks(**more):
    """What is read of the tasks of the wildcards' model."""
    from brodmann.circuits.stages.files import TaskFiles

    folder = attributed()["attribution_folder"]
    files = TaskFiles(given.model_json, given.item_files, given.baseline_files, folder)
    return {"files": files, **more}


def use(study):
    """What networks do, as pages show it."""
    from brodmann.figures.network_use import save_example

    return {**templates(study), "folder": f"results/{here.model}/networks", "draw": save_example}


def maps(study):
    """The maps that are compared."""
    from brodmann.comparison.stages.network_use import use_stage

    return {**masks(study), "stage": use_stage(study, given.model_json, **templates(study))}


def inventory():
    """The matrices of the study."""
    from brodmann.statistics.inventory import Inventory

    return Inventory.from_params(asked.matrices)


def page(study):
    """The report."""
    from brodmann.report.compose import compose

    words = workflow / "report"
    composed = compose(study, inventory(), asked.figures, words, asked.titles, ROOT)
    return {"page": composed, "template": words / "report.html.j2"}


MORE = {
    "settings": lambda _: {"path": made[0], "value": asked.settings},
    "expand_items": lambda _: {"definition": given[0]},
    "expand_second_items": lambda _: {"definition": given[0], "second": True},
    "fetch_model": lambda _: {"name": here.model},
    "check_model": lambda _: {"name": here.model},
    "baseline": lambda _: each(items_file=given.item_files, output=made, lender=given.lenders),
    "attribution": lambda _: each(
        items_file=given.item_files,
        second_file=given.second_files,
        baseline_file=given.baseline_files,
        output=made.outputs,
        replicates=made.all_replicates,
    ),
    "circuit_masks": lambda _: each_mask(),
    "overlap": lambda _: {
        "mask_folder": f"results/{here.model}/masks/{here.component}",
        "folder": f"results/{here.model}/overlap/{here.component}",
    },
    "ablation_pass": lambda _: {"mask_folder": f"results/{here.model}/masks", **attributed()},
    "granularity": lambda _: of_tasks(),
    "agreement": lambda _: of_tasks(),
    "trials": lambda _: of_tasks(),
    "granularity_statistics": lambda _: {
        "files": dict(zip(asked.models, given.lesions, strict=True))
    },
    "expert_profiles": lambda _: {"mask_folder": f"results/{here.model}/masks/neurons"},
    "expert_statistics": lambda _: {"files": dict(zip(asked.models, given.cards, strict=True))},
    "ablation": lambda _: of_tasks(mask_folder=f"results/{here.model}/masks"),
    "faithfulness_pass": lambda _: attributed(),
    "faithfulness": lambda _: of_tasks(),
    "rivals": lambda _: of_tasks(),
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
    "network_use_pass": paged,
    "network_use": use,
    "network_agreement": maps,
    "written": masks,
    "unit_pages": pages,
    "import_overlap": lambda _: {"source": given[0], "outputs": dict(made.items())},
    "import_drop": lambda _: {"source": given[0]},
    "average": lambda _: {"inventory": inventory()},
    "printed_tables": lambda _: {"inputs": given, "outputs": made},
    "provenance": lambda _: {"items": given.item_files},
    "methods": lambda study: {
        "bibliography_file": workflow / "report" / "methods.bib",
        "data": study.tasks.data(ROOT),
        "outputs": made,
    },
    "write_report": page,
}

job.run(snakemake, stages.JOBS, MORE)
