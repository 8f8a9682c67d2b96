"""How long an audit takes beyond loading TensorFlow: whole processes, each beside one that loads Keras and the model.

python -m benchmarks.audit.speed [--rounds 5] [--model ResNet50]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

#: The bar, seconds.
MOST = 5.0

_SAVE = """
import keras, sys
model = getattr(keras.applications, sys.argv[1])(weights=None)
model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
model.save(sys.argv[2])
"""
_LOAD = "import keras, tensorflow"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="ResNet50", help="an architecture of keras.applications")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        subprocess.run([sys.executable, "-c", _SAVE, arguments.model, str(path)], check=True, capture_output=True)
        audit = [sys.executable, "-m", "diagnose", str(path), "--no-settings", "--fail-on", "never"]
        pairs = [(_seconds([sys.executable, "-c", _LOAD]), _seconds(audit)) for _ in range(arguments.rounds)]
    for kind, name in enumerate(("on the clock", "of processor time")):
        loading = [pair[0][kind] for pair in pairs]
        whole = [pair[1][kind] for pair in pairs]
        beyond = [both - alone for alone, both in zip(loading, whole, strict=True)]
        print(
            f"{name}: Keras and TensorFlow alone {statistics.median(loading):.1f} s, diagnose {arguments.model}.keras "
            f"{statistics.median(whole):.1f} s; beyond loading {statistics.median(beyond):.1f} s "
            f"({min(beyond):.1f} to {max(beyond):.1f}, {arguments.rounds} rounds); bar {MOST:g} s"
        )
    return 0


def _seconds(command: Sequence[str]) -> tuple[float, float]:
    """Return how long a process takes, on the clock and of the processor."""
    begun, used = time.perf_counter(), _processor()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun, _processor() - used


def _processor() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    sys.exit(main())
