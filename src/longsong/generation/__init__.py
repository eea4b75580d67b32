"""Generation: a seed sequence in, frames out, and frames to samples."""

from longsong.generation.carry import generate_carry
from longsong.generation.post import generate_post
from longsong.generation.rendering import Level, render

__all__ = ["Level", "generate_carry", "generate_post", "render"]
