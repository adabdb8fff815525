"""Jobs of the statistics: what its tables are made from."""

from brodmann.runner.stage import Stage

STAGES = (
    Stage("import_overlap", "imports:import_overlap"),
    Stage("import_drop", "imports:import_drop"),
    Stage("import_accuracies", "imports:import_accuracies"),
    Stage("surface", "surface:write_surface", ("surface",)),
    Stage("average", "average:write_averages"),
)
