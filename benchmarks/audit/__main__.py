"""Runs `benchmarks.audit.evaluate`."""

import sys

from benchmarks.audit.evaluate import main

sys.exit(main())
