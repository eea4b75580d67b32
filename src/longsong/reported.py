"""What the post and the 2016 code report: the configurations, as numbers (FACTS sections 1 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from longsong.config import Normalise

__all__ = [
    "BATCH",
    "CODE_CONFIGURATIONS",
    "EPOCHS",
    "FRAMES",
    "LAYERS",
    "SEQUENCES",
    "SETTINGS",
    "SONG_SECONDS",
    "WIDTHS",
    "Configuration",
    "post_configurations",
]

FRAMES = (40, 50, 100, 800, 1000, 4000, 40000)  # P03, in samples
SEQUENCES = (50, 100, 1000, 4000, 10000)  # P04, in frames
BATCH = 128  # P06
EPOCHS = 30  # P07
LAYERS = 2  # P10
WIDTHS = (199, 256)  # P10
SONG_SECONDS = 3 * 3600 + 1 * 60 + 29  # FACTS section 2

SETTINGS: Mapping[str, float] = MappingProxyType(
    {
        "model.init_width": 0.04,
        "training.learning_rate": 0.002,
        "training.lr_decay": 0.97,
        "training.rmsprop_decay": 0.95,
        "training.step_clip": 1.0,
    }
)
"""What every configuration of the code has of initial weights and optimiser (FACTS sections 3 and 4), by its name in
``config.json``; the post names none of it."""


@dataclass(frozen=True, order=True)
class Configuration:
    """One configuration of the post or of the code.

    Attributes
    ----------
    frame, seq, hidden : int
        Samples, frames, units in each layer.
    batch, epochs : int
    normalise : {'minmax', 'stdev', 'none'}
    """

    frame: int
    seq: int
    hidden: int
    batch: int = BATCH
    epochs: int = EPOCHS
    normalise: Normalise = "minmax"

    @property
    def shape(self) -> str:
        """The shape, as ``1000x100``."""
        return f"{self.frame}x{self.seq}"


def post_configurations(widths: tuple[int, ...] = WIDTHS) -> list[Configuration]:
    """Give the grid of P03 by P04, once for each width of P10: 35 configurations a width."""
    return [Configuration(frame, seq, hidden) for hidden in widths for frame in FRAMES for seq in SEQUENCES]


CODE_CONFIGURATIONS = (  # FACTS section 3; folders that differ in nothing but their name are one
    Configuration(4000, 50, 199),
    Configuration(1000, 50, 199),
    Configuration(1000, 100, 199),
    Configuration(4000, 100, 199),
    Configuration(800, 8000, 199),
    Configuration(40, 40000, 256, batch=4, epochs=120, normalise="stdev"),
    Configuration(40000, 40, 256, batch=128, epochs=120, normalise="stdev"),
)
"""The configurations of the 2016 code's folders (D05)."""
