"""The report, the methods section, and the record of what made them.

results/report.html       the story of the study in one file, with figures, tables and tests; works offline
results/methods.{md,bib}  a methods section to paste, written from the config
results/provenance.json   versions, config, model and item hashes of this run
"""


rule report:
    """The HTML report."""
    input:
        "results/report.html",


rule provenance:
    input:
        models=collect("results/{model}/model.json", model=MODELS),
        item_files=collect("results/items/{task}.json", task=TASKS),
        baselines=rules.baselines.input,
        imported=workspace.imported_files,
        texts=workspace.text_files,
    output:
        output="results/provenance.json",
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
        "../workflow/scripts/job.py"


rule methods:
    input:
        workspace.stimulus_files,
        workspace.domain_files,
        workspace.corpus_file if MODELS else [],
        cards=collect("results/{model}/model.json", model=MODELS),
        item_files=collect("results/items/{task}.json", task=TASKS),
    output:
        text="results/methods.md",
        bibliography="results/methods.bib",
    log:
        "logs/methods.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        config=workspace.recorded_config,
        method=METHODS["report"],
    message:
        "Writing the methods section"
    script:
        "../workflow/scripts/job.py"


rule write_report:
    input:
        rules.figures.input,
        rules.statistics.input,
        workspace.told_files,
        "results/provenance.json",
        "results/methods.md",
    output:
        output="results/report.html",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        matrices=INVENTORY.to_params(),
        figures=workspace.figures,
        titles=workspace.titles,
        method=METHODS["report"],
    message:
        "Writing the report"
    script:
        "../workflow/scripts/job.py"
