"""Searches beside others of the field.

    python -m benchmarks.search [compare]        equal times: scores over time, trials, epochs, memory
    python -m benchmarks.search report           the tables of it
    python -m benchmarks.search wrongly-stopped  what the trials that are stopped would have come to
    python -m benchmarks.search rate             trials a minute beside plain KerasTuner
    python -m benchmarks.search proposals        seconds for a Bayesian proposal beside KerasTuner's
    python -m benchmarks.search workers          trials a minute of one worker and of two

Each has --help.
"""

from __future__ import annotations

import importlib
import sys

PARTS = ("compare", "report", "wrongly-stopped", "rate", "proposals", "workers")


def main() -> int:
    given = sys.argv[1:]
    if given[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    part = given.pop(0) if given and not given[0].startswith("-") else "compare"
    if part not in PARTS:
        print(f"{part}: there is {', '.join(PARTS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"benchmarks.search.{part.replace('-', '_')}").main(given))


if __name__ == "__main__":
    sys.exit(main())
