"""The atlas: a page on which a study's maps are explored, and its data (docs/atlas.md)."""
