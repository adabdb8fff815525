"""The texts that localizers contrast: ours under ``stimuli/``, or the original files put in their place."""
