"""Figures: each a PNG, a PDF and an SVG with its data beside it, results/figures/{figure}.{png,pdf,svg,csv}.

What there is, what it is of and what it is drawn from: brodmann.figures.registry. A rule for each family of
figures that read the same files.
"""

from brodmann.figures.registry import families


rule figures:
    """All figures."""
    input:
        workspace.figure_files(*[family.rule for family in families()]),


for family in families():

    rule:
        name:
            family.rule
        input:
            unpack(workspace.figure_inputs(family)),
        output:
            family.outputs,
        log:
            family.log,
        localrule: True
        conda:
            "../../workflow/envs/brodmann.yaml"
        params:
            settings=workspace.figure_settings(family),
            method=METHODS[family.method],
        message:
            family.message
        script:
            "../../workflow/scripts/figure.py"
