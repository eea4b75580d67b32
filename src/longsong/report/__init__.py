"""The page that shows, and plays, what came of all runs."""

from longsong.report.page import write_report

__all__ = ["write_report"]
