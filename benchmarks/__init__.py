"""One runnable file per question, peers side by side: ``python -m benchmarks.NAME [--quick] [--json FILE]``."""
