"""Whether the files of runs are as they were written, and what becomes of those that are not."""

from longsong.integrity.aside import SetAside, set_aside, set_files_aside
from longsong.integrity.damage import Damage
from longsong.integrity.run_damage import damages

__all__ = ["Damage", "SetAside", "damages", "set_aside", "set_files_aside"]
