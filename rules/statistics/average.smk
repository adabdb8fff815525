"""Averages over the models that are no controls, each with the number of models in every cell.

results/average/overlap/{component}/{sel}.{measure}.csv                    and .{measure}.count.csv
results/average/ablation/{component}/{sel}.{kind}.accuracy_drop.csv        and .accuracy_drop.count.csv
Config: average.exclude, models.NAME.control
"""


rule averages:
    """Every average."""
    input:
        INVENTORY.average_files,


# One job: averages are cheap beside the start of a job.
rule average:
    input:
        INVENTORY.averaged_files,
    output:
        INVENTORY.average_files,
    log:
        "logs/average.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        matrices=INVENTORY.to_params(),
        exclude=study.statistics.exclude,
        method=METHODS["average"],
    message:
        "Averaging over models"
    script:
        "../../workflow/scripts/job.py"
