"""How long an audit takes beyond loading TensorFlow: whole processes, each beside one that loads Keras and the model.

python -m benchmarks.audit.speed [--rounds 5] [--model ResNet50]
"""

from __future__ import annotations

import argparse
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
    beyond = [whole - loading for loading, whole in pairs]
    print(f"import of Keras and TensorFlow alone: {statistics.median(loading for loading, _ in pairs):.1f} s")
    print(f"diagnose {arguments.model}.keras: {statistics.median(whole for _, whole in pairs):.1f} s")
    print(
        f"beyond loading TensorFlow: {statistics.median(beyond):.1f} s "
        f"({min(beyond):.1f} to {max(beyond):.1f}, {arguments.rounds} rounds); bar {MOST:g} s"
    )
    return 0


def _seconds(command: Sequence[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
