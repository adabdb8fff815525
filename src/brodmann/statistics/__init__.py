"""Tests of structure, with their tables."""
