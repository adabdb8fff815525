"""What a stage is asked to do for a model, as a file.

results/{model}/.store/{stage}.settings.json   the config values and method versions of one stage

A change in one of these values makes this small file anew, and with it just the stage that reads it. As params the
values could go unseen: Snakemake skips a job's own params when the job hangs below another that reruns.
"""


rule settings:
    output:
        "results/{model}/.store/{stage}.settings.json",
    log:
        "logs/{model}/settings/{stage}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        settings=lambda wildcards: workspace.stage_settings(wildcards.model, wildcards.stage),
    message:
        "{wildcards.model}: noting the settings of {wildcards.stage}"
    script:
        "../workflow/scripts/job.py"
