"""Generation: seed sequences in, frames out, and frames to samples."""

from longsong.generation.carry import generate_carry
from longsong.generation.joining import Crossfade, Joining, LastFrame
from longsong.generation.post import generate_post
from longsong.generation.rendering import Level, Renderer, render

__all__ = ["Crossfade", "Joining", "LastFrame", "Level", "Renderer", "generate_carry", "generate_post", "render"]
