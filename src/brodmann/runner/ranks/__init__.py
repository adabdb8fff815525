"""One model on several processes: see ``leader``."""
