"""The report and the record of what made it.

results/provenance.json   versions, config, model and item hashes of this run
results/report.html       figures and tables with captions, as one file
"""


rule report:
    """The HTML report."""
    input:
        "results/report.html",


rule provenance:
    input:
        cards=collect("results/{model}/model.json", model=MODELS),
        item_files=collect("results/items/{task}.json", task=TASKS),
        baselines=rules.baselines.input,
    output:
        "results/provenance.json",
    log:
        "logs/provenance.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        config=workspace.recorded_config,
    message:
        "Recording what made these results"
    script:
        "../workflow/scripts/provenance.py"


# Snakemake writes a report from outside a run: the job starts a second Snakemake that only reads.
rule write_report:
    input:
        rules.figures.input,
        "results/provenance.json",
    output:
        "results/report.html",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    message:
        "Writing the report"
    script:
        "../workflow/scripts/write_report.py"
