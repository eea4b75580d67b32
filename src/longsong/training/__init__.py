"""Training: a stream in, checkpoints and metrics out."""

from longsong.training.loop import train

__all__ = ["train"]
