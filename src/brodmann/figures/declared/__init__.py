"""Declarations of all figures, by what they are of. Nothing heavy is imported here."""
