"""What a stage is asked to do for a model, as a file.

results/{model}/.store/{stage}.settings.json   the config values and method versions of one stage

Stages that read a pass's manifest as ancient() get their settings from here rather than from params:
Snakemake skips a job's own params when the job hangs below another that reruns, and an ancient input
does not pass that rerun on, so a change could go unseen until the next run.
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
        settings=stage_settings,
    message:
        "{wildcards.model}: noting the settings of {wildcards.stage}"
    script:
        "../workflow/scripts/settings.py"
