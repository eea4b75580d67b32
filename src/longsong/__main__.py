"""``python -m longsong``."""

import sys

from longsong.cli import main

if __name__ == "__main__":
    sys.exit(main())
