"""The data layer: one long recording, addressed by sample, as mini-batches of windows."""
