"""Tests and false discovery rates that every map uses."""
