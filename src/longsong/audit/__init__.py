"""Evidence for every claim, from what runs wrote and what shards say (docs/audit.md)."""

from longsong.audit.ledger import Audit, Row, audit, format_audit, write_audit
from longsong.audit.verdicts import Verdict

__all__ = ["Audit", "Row", "Verdict", "audit", "format_audit", "write_audit"]
