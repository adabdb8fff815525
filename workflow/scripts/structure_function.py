"""Does overlap predict ablation?"""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.statistics.inventory import Inventory
    from brodmann.statistics.stages.structure import write_structure_function

    write_structure_function(
        Inventory.from_params(snakemake.params.matrices), study.statistics, snakemake.output[0]
    )
