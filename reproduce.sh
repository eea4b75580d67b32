#!/usr/bin/env bash
# From nothing to the report: sets up what it needs, then runs `longsong reproduce` with the arguments given.
set -euo pipefail
cd "$(dirname "$0")"
source scripts/setup ""
exec "$python" -m longsong reproduce "$@"
