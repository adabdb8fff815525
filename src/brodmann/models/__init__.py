"""Where models come from, which units they have, and how they are loaded."""
