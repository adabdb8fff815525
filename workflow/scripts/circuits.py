"""Jobs of circuits: what the rule of the same name hands over, in the words of its function."""

from pathlib import Path

from brodmann.pipeline import job

given, made, asked, here = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards


def baseline_pass(study):
    """Score, for one model, the answers of all tasks that its store does not hold yet."""
    from brodmann.circuits.stages.baseline import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        item_files=given.item_files,
        manifest=made[0],
        threads=snakemake.threads,
    )


def baseline(study):
    """Write one task's baseline from the stored scores."""
    from brodmann.circuits.stages.baseline import write_baseline

    write_baseline(
        study,
        model_json=given.model,
        items_file=given.item_file,
        manifest=given.manifest,
        output=made[0],
        lender=given.get("lender"),
    )


def attribution_pass(study):
    """Find, for one model, the circuits of all tasks that its store does not hold yet."""
    from brodmann.circuits.stages.attribution import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        item_files=given.item_files,
        second_files=given.second_files,
        baseline_files=given.baselines,
        manifest=made[0],
        threads=snakemake.threads,
    )


def attribution(study):
    """Write one task's attribution, and its replicates, from the store."""
    from brodmann.circuits.stages.attribution import write_attribution

    write_attribution(
        study,
        model_json=given.model,
        items_file=given.item_file,
        second_file=given.get("second"),
        baseline_file=given.baseline,
        manifest=given.manifest,
        component=here.component,
        output=made.attribution,
        replicates=made.replicates,
    )


def circuit_masks(study):
    """Make every mask of one attribution."""
    from brodmann.circuits.stages.attribution import write_masks

    write_masks(study, attribution=given[0], outputs=made, task=here.task, model=here.model)


def agreement(study):
    """Compare a model's estimated effects of units with the true ones."""
    from brodmann.circuits.stages.agreement import write_agreement

    write_agreement(
        study,
        model_json=given.model,
        component=here.component,
        item_files=given.item_files,
        baseline_files=given.baselines,
        manifest=given.manifest,
        table=made.table,
        units=made.units,
    )


def overlap(study):
    """Compare the circuits of one model and component with each other."""
    from brodmann.circuits.stages.overlap import write_overlaps

    write_overlaps(
        study,
        model_json=given.model,
        component=here.component,
        tasks=asked.tasks,
        baseline_files=given.baselines,
        mask_folder=f"results/{here.model}/masks/{here.component}",
        replicate_files=given.replicates,
        folder=f"results/{here.model}/overlap/{here.component}",
    )


def ablation_pass(study):
    """Measure, for one model, the lesions of all targets that its store does not hold yet."""
    from brodmann.circuits.stages.ablation import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        item_files=given.item_files,
        baseline_files=given.baselines,
        mask_folder=f"results/{here.model}/masks",
        manifest=made[0],
        threads=snakemake.threads,
    )


def ablation(study):
    """Write the tables of one target: every circuit and control on its items."""
    from brodmann.circuits.stages.ablation import write_tables

    write_tables(
        study,
        model_json=given.model,
        item_files=given.item_files,
        baseline_files=given.baselines,
        mask_folder=f"results/{here.model}/masks",
        manifest=given.manifest,
        task=here.task,
        component=here.component,
        outputs=made,
    )


def ablation_matrices(study):
    """Gather the tables of all targets into matrices, rows sources and columns targets."""
    from brodmann.circuits.stages.ablation import write_matrices

    write_matrices(
        study,
        tasks=asked.tasks,
        folder=f"results/{here.model}/ablation/{here.component}",
        outputs={Path(file).stem: file for file in made},
    )


def forecast(study):
    """Forecast the ablations of one model and component from attributions and masks."""
    from brodmann.circuits.stages.forecast import write_forecasts

    write_forecasts(
        study,
        tasks=asked.tasks,
        attribution_files=given.attributions,
        mask_folder=f"results/{here.model}/masks/{here.component}",
        outputs=dict(zip(asked.selections, made, strict=True)),
    )


job.run(snakemake, globals())
