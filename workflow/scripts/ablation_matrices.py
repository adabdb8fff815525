"""Gather the tables of all targets into matrices, rows sources and columns targets."""

from pathlib import Path

from brodmann.circuits.stages.ablation import write_matrices
from brodmann.pipeline import job

with job.running(snakemake) as study:
    here = snakemake.wildcards
    write_matrices(
        study,
        tasks=snakemake.params.tasks,
        folder=str(Path("results") / here.model / "ablation" / here.component),
        outputs={Path(file).stem: file for file in snakemake.output},
    )
