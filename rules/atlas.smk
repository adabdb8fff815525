"""The atlas: a page on which the maps are explored, and its data.

results/atlas/index.html  the page; works offline
results/atlas/data/*.js   what it shows, a script each (docs/atlas.md)
"""


rule atlas:
    """The atlas."""
    input:
        "results/atlas/index.html",


rule write_atlas:
    input:
        rules.models.input,
        rules.items.input,
        [getattr(rules, name).input for name in MAPS],
        rules.pages_of_units.input,
        rules.averages.input,
        rules.statistics.input,
        workspace.more_files,
        "results/provenance.json",
    output:
        output="results/atlas/index.html",
    log:
        "logs/atlas.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        titles=workspace.titles,
        method=METHODS["atlas"],
    message:
        "Making the atlas"
    script:
        "../workflow/scripts/job.py"
