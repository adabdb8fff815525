"""Minimal pairs and where they come from."""
