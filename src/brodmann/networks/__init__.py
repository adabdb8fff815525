"""Functional networks: independent components of a model's signals over texts."""
