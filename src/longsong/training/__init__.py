"""Training: a stream in, checkpoints and metrics out."""

from longsong.training.feed import StreamDataset, TorchBatches, torch_batches
from longsong.training.loop import train

__all__ = ["StreamDataset", "TorchBatches", "torch_batches", "train"]
