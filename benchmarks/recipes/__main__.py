"""Every bar of the recipes: scores, detection, transfer, input pipelines.

python -m benchmarks.recipes
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.recipes import detection, pipeline, scores, transfer

PARTS: dict[str, Callable[[list[str]], int]] = {
    "Scores on held-out test sets": scores.main,
    "Detection": detection.main,
    "Transfer": transfer.main,
    "Input pipelines": pipeline.main,
}


def main() -> int:
    worst = 0
    for title, part in PARTS.items():
        print(f"\n{title}\n", flush=True)
        worst = max(worst, part([]))
    return worst


if __name__ == "__main__":
    sys.exit(main())
