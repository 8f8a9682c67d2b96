"""How long ``diagnose run.csv`` takes from nothing, beside ``python -c "import numpy, rich"``.

The two are run in turns, so that whatever else the machine does falls on both. Byte code is written by a first
run, as pip does when it installs, into a folder of its own: an environment that forbids byte code, as containers
do, would time the compiler instead. The files are in the page cache: "cold" is a new process, not a new boot.

    python -m benchmarks.startup [--pairs N] [--imports]
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FACTOR, ALLOWANCE = 1.3, 0.100

BASELINE = ["-c", "import numpy, rich"]
COMMAND = ["-m", "diagnose", "run.csv"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--imports", action="store_true", help="also list what takes longest to import")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.csv").write_text(log())
        environment = environment_with_byte_code(folder / "byte-code")
        pairs = measure(folder, environment, arguments.pairs)
        if arguments.imports:
            print(slowest_imports(folder, environment))
    return judge(pairs)


def log(epochs: int = 50) -> str:
    """An ordinary log: 50 epochs, 5 columns, the validation loss turning up at the end."""
    rows = [
        f"{e},{1 - math.exp(-e / 12):.6f},{math.exp(-e / 12):.6f},{0.9 - 0.9 * math.exp(-e / 10):.6f},"
        f"{0.3 + 0.7 * math.exp(-e / 8) + 0.006 * max(e - 20, 0):.6f}"
        for e in range(epochs)
    ]
    return "\n".join(["epoch,accuracy,loss,val_accuracy,val_loss", *rows]) + "\n"


def environment_with_byte_code(folder: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@dataclass(frozen=True)
class Taken:
    """Seconds of one process: on the clock, and of the processor, which other processes disturb less."""

    wall: float
    cpu: float


def measure(folder: Path, environment: dict[str, str], pairs: int) -> list[tuple[Taken, Taken]]:
    """Return what (baseline, command) took, run in turns."""
    for arguments in (BASELINE, COMMAND) * 2:
        take(arguments, folder, environment)
    return [(take(BASELINE, folder, environment), take(COMMAND, folder, environment)) for _ in range(pairs)]


def take(arguments: list[str], folder: Path, environment: dict[str, str]) -> Taken:
    cpu, start = children_cpu(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
    taken = Taken(time.perf_counter() - start, children_cpu() - cpu)
    if done.returncode > 1 or done.stderr:
        raise SystemExit(f"{' '.join(arguments)} failed: {done.stderr.decode(errors='replace')}")
    return taken


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def slowest_imports(folder: Path, environment: dict[str, str], count: int = 25) -> str:
    """Return the imports of the command that take longest by themselves, in microseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()[1:]]
    rows = [row for row in rows if len(row) == 3 and row[0].strip().isdigit()]
    rows.sort(key=lambda row: -int(row[0]))
    return "\n".join(f"{int(own):>8} µs  {name.strip()}" for own, _, name in rows[:count])


def judge(pairs: list[tuple[Taken, Taken]]) -> int:
    """Print the figures beside the bar; 0 where it is met."""
    for name, column in (("import numpy, rich", 0), ("diagnose run.csv", 1)):
        wall = [pair[column].wall * 1000 for pair in pairs]
        cpu = [pair[column].cpu * 1000 for pair in pairs]
        print(
            f"{name:<20} median {statistics.median(wall):6.1f} ms   fastest {min(wall):6.1f}   "
            f"slowest {max(wall):6.1f}   processor time {statistics.median(cpu):6.1f} ms"
        )
    baseline = statistics.median(b.wall for b, _ in pairs)
    command = statistics.median(c.wall for _, c in pairs)
    bar = FACTOR * baseline + ALLOWANCE
    met = command <= bar
    print(f"{len(pairs)} pairs: ratio {command / baseline:.2f}, difference {(command - baseline) * 1000:.1f} ms")
    print(
        f"bar: {FACTOR} x {baseline * 1000:.1f} + {ALLOWANCE * 1000:.0f} = {bar * 1000:.1f} ms: "
        f"{'met' if met else 'MISSED'} ({(bar - command) * 1000:+.1f} ms)"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores (wall time needs an idle one)")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
