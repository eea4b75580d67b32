"""Running many runs: in what order, how many side by side, on which processes, and what is done when one is lost."""

from __future__ import annotations
