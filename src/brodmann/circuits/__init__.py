"""Which units of a model serve which task."""
