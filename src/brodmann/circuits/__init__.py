"""Which units of a model serve which task."""

# Versions (brodmann.methods).
METHODS = {
    "baseline": 1,  # log-probabilities of the answers
    "inclusion": 3,  # what is computed from them: shares, baselines, decision
    "attribution": 1,  # attributions and their replicates
    "agreement": 1,  # comparison of the estimators
    "stability": 1,  # circuits of resampled items against each other
    "promoted": 1,  # tokens that units promote
    "masks": 1,  # which units make a circuit
    "overlap": 2,  # overlap, its reliability and intervals
    "ablation": 1,  # log-probabilities under lesions, and their tables
    "granularity": 1,  # circuits of larger units, and their random controls
    "faithfulness": 1,  # log-probabilities where all but a circuit is silenced, and curves and areas
    "rivals": 1,  # circuits that are found again without those before them
    "forecast": 1,  # first-order forecast of ablations
}
