"""MLflow: what it costs a training, and a thousand trials in one experiment.

    python -m benchmarks.tracking thousand   runs a second stored and read, seconds until the UI shows them
    python -m benchmarks.tracking cost       what a fit and a search take longer with MLflow than without

Each has --help.
"""

from __future__ import annotations

import importlib
import sys

PARTS = ("thousand", "cost")


def main() -> int:
    given = sys.argv[1:]
    if given[:1] in ([], ["-h"], ["--help"]):
        print(__doc__)
        return 0
    part = given.pop(0)
    if part not in PARTS:
        print(f"{part}: there is {', '.join(PARTS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"benchmarks.tracking.{part}").main(given))


if __name__ == "__main__":
    sys.exit(main())
