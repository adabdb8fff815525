"""Figures of one model, or of the average ({shown}): the main selection, each with its data beside it.

results/figures/{overlap.{measure},chord}.{shown}.{component}.{png,pdf,csv}
results/figures/ablation.{shown}.{component}.{png,pdf,csv}                 accuracy lost
results/figures/{forecast,controls}.{model}.{component}.{png,pdf,csv}      forecast; circuits against random lesions
Config: figures.chord_minimum, selection.main, ablation
"""

# What is drawn of any model, also of those that were not run, and of the average.
DRAWN_MEASURES = ("containment", "doubly_stochastic")


rule overlap_figures:
    input:
        unpack(reliability_file),
        containment=f"results/{{shown}}/overlap/{{component}}/{MAIN_SELECTION}.containment.csv",
        doubly_stochastic=f"results/{{shown}}/overlap/{{component}}/{MAIN_SELECTION}.doubly_stochastic.csv",
    output:
        multiext("results/figures/overlap.containment.{shown}.{component}", *FORMATS),
        multiext("results/figures/overlap.doubly_stochastic.{shown}.{component}", *FORMATS),
        multiext("results/figures/chord.{shown}.{component}", *FORMATS),
    log:
        "logs/figures/overlap.{shown}.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        selection=MAIN_SELECTION,
        measures=DRAWN_MEASURES,
        chord_minimum=study.figures.chord_minimum,
        method=METHODS["figures"],
    message:
        "Drawing the overlaps of {wildcards.shown}"
    script:
        "../../workflow/scripts/overlap_figures.py"


rule noise_corrected_figure:
    input:
        matrix=f"results/{{model}}/overlap/{{component}}/{MAIN_SELECTION}.noise_corrected.csv",
        reliability=f"results/{{model}}/overlap/{{component}}/{MAIN_SELECTION}.reliability.csv",
    output:
        multiext("results/figures/overlap.noise_corrected.{model}.{component}", *FORMATS),
    log:
        "logs/figures/noise_corrected.{model}.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        selection=MAIN_SELECTION,
        method=METHODS["figures"],
    message:
        "Drawing the noise-corrected overlaps of {wildcards.model}"
    script:
        "../../workflow/scripts/noise_corrected_figure.py"


rule ablation_heatmap:
    input:
        f"results/{{shown}}/ablation/{{component}}/{ABLATED[0]}.{KINDS[0]}.accuracy_drop.csv",
    output:
        multiext("results/figures/ablation.{shown}.{component}", *FORMATS),
    log:
        "logs/figures/ablation.{shown}.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        title=f"{ABLATED[0]}, {KINDS[0]}",
        method=METHODS["figures"],
    message:
        "Drawing the ablations of {wildcards.shown}"
    script:
        "../../workflow/scripts/ablation_heatmap.py"


rule effect_figures:
    input:
        drops=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.{KINDS[0]}.accuracy_drop.csv",
        scores=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.{KINDS[0]}.score.csv",
        forecast=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.forecast.csv",
        lesions=collect(
            f"results/{{{{model}}}}/ablation/{{{{component}}}}/{ABLATED[0]}/{KINDS[0]}/{{task}}.csv",
            task=TASKS,
        ),
    output:
        multiext("results/figures/forecast.{model}.{component}", *FORMATS),
        multiext("results/figures/controls.{model}.{component}", *FORMATS),
    log:
        "logs/figures/effects.{model}.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        title=f"{ABLATED[0]}, {KINDS[0]}",
        method=METHODS["figures"],
    message:
        "Drawing what lesions of {wildcards.model} do"
    script:
        "../../workflow/scripts/effect_figures.py"
