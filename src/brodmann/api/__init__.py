"""A finished study from Python, without a path: ``brodmann.open_study("results")`` (docs/python.md)."""

from __future__ import annotations

from brodmann.api.study import Study

__all__ = ["Study"]
