"""A thousand trials in one experiment: how fast they are stored and read, and how long MLflow's table takes to show.

    python -m benchmarks.tracking thousand [--runs N] [--beside N] [--files SHARE] [--stores NAME ...] [--json FILE]

A trial has 25 parameters, 41 curves of twelve epochs, health columns, tags, a description, and, for a share of them,
report and log as files. They are made beforehand; what is timed is storing alone.

- Stored: through `diagnose.tracking`, one call a trial, as a search does it. Beside it, for every few trials, the same
  content goes to another experiment of the same store by MLflow's own client: `create_run`, one `log_batch`,
  `set_terminated`, files. That client is made once and asks for nothing, so it is the least there can be. A ratio
  above 1 says that ours takes longer; median over the pairs, with its 95 % interval.
- Read: `diagnose mlflow:experiment/NAME` as a whole process, beside `diagnose FOLDER` on the same trials' logs.
- Shown: from loading the page to the table's first row, sorted by health; beside an experiment with ten trials.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tracking import stores, table, trials
from benchmarks.tracking.pairs import median
from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.sending import send

ROOT = Path(__file__).parents[2]
MANY, FEW, PLAIN = "thousand trials", "ten trials", "by MLflow's client"
_FEW = 10
_WINDOW = 100


@dataclass
class Stored:
    """Seconds of each trial, and of each pair (ours, plain)."""

    ours: list[float] = field(default_factory=list)
    pairs: list[tuple[float, float]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        return {
            "runs_per_second": len(self.ours) / sum(self.ours),
            "first_per_second": len(self.ours[:_WINDOW]) / sum(self.ours[:_WINDOW]),
            "last_per_second": len(self.ours[-_WINDOW:]) / sum(self.ours[-_WINDOW:]),
            "ms": 1000 * statistics.median(self.ours),
            "plain_ms": 1000 * statistics.median(other for _, other in self.pairs),
            "ratio": median([own / other for own, other in self.pairs]).told(".2f"),
        }


class Plain:
    """MLflow's own client, with as few requests as it can do with."""

    def __init__(self, uri: str) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._experiment = self._client.create_experiment(PLAIN, artifact_location=_beside(uri))

    def store(self, record: TrainingRecord) -> None:
        from mlflow.entities import Metric, Param, RunTag

        stamp = int(1000 * record.ended)
        curves = {**record.curves, **{name: [(0.0, value)] for name, value in record.metrics.items()}}
        run = self._client.create_run(self._experiment, start_time=stamp, run_name=record.run)
        self._client.log_batch(
            run.info.run_id,
            [Metric(name, value, stamp, int(epoch)) for name, curve in curves.items() for epoch, value in curve],
            [Param(name, str(value)) for name, value in record.parameters.items()],
            [*(RunTag(name, text) for name, text in record.tags.items()), RunTag("mlflow.note.content", record.note)],
        )
        for name, text in record.texts.items():
            self._client.log_text(run.info.run_id, text, name)
        for path in record.artifacts:
            self._client.log_artifact(run.info.run_id, str(path))
        self._client.set_terminated(run.info.run_id, "FINISHED", stamp)


def _beside(uri: str) -> str | None:
    """Return where the files of a store that is a file go; a server decides itself."""
    path = uri.removeprefix("sqlite:///")
    return None if path == uri else (Path(path).parent / "artifacts").as_uri()


def store(uri: str, logs: Sequence[Path], every: int, share: float) -> tuple[Stored, list[str]]:
    """Store the trials, and return what it took, and the names of those that are healthiest."""
    few = send(trials.search_record(FEW), uri)
    for number, log in enumerate(logs[:_FEW]):
        send(trials.record(log, number, FEW, few, has_files=False), uri)
    parent, plain, stored = send(trials.search_record(MANY), uri), Plain(uri), Stored()
    health: dict[str, float] = {}
    for number, log in enumerate(logs):
        has_files = int(number * share) != int((number + 1) * share)
        record = trials.record(log, number, MANY, parent, has_files=has_files)
        health[record.run] = record.metrics.get("health/score", -1.0)
        taken: dict[str, float] = {}
        turns = ["ours", "plain"] if number % every == 0 else ["ours"]
        for who in turns if number // every % 2 else reversed(turns):
            start = time.perf_counter()
            if who == "ours":
                send(record, uri)
            else:
                plain.store(record)
            taken[who] = time.perf_counter() - start
        stored.ours.append(taken["ours"])
        if "plain" in taken:
            stored.pairs.append((taken["ours"], taken["plain"]))
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {len(logs)} stored", end="", file=sys.stderr, flush=True)
    best = max(health.values())
    return stored, [name for name, score in health.items() if score == best]


def diagnose_seconds(source: str, folder: Path, uri: str = "") -> float:
    """Return what the command takes as a whole process; it must not fail, nor say nothing."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"MLFLOW_TRACKING_URI": uri} if uri else {})}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "diagnose", source, "--fail-on", "never"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    taken = time.perf_counter() - start
    if done.returncode or not done.stdout:
        raise SystemExit(f"diagnose {source}: {done.stderr[-2000:]}")
    return taken


def measure(name: str, logs: Sequence[Path], every: int, share: float, *, has_browser: bool) -> dict[str, Any]:
    """Return the figures of one store."""
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory() as place, stores.opened(name, Path(place)) as uri:
        folder = Path(place)
        stored, healthiest = store(uri, logs, every, share)
        csv = diagnose_seconds(str(logs[0].parents[1]), folder)
        read = diagnose_seconds(f"mlflow:experiment/{MANY}", folder, uri)
        found: dict[str, Any] = {"stored": stored.figures(), "read_s": read, "csv_s": csv, "runs": len(logs)}
        if has_browser:
            client = MlflowClient(tracking_uri=uri)
            ids = [client.get_experiment_by_name(each).experiment_id for each in (FEW, MANY)]
            few = [f"search-{number:04d}" for number in range(_FEW)]
            with stores.shown(name, uri, folder) as address:
                found["few_s"] = table.seconds_to_show(address, ids[0], few)
                found["many_s"] = table.seconds_to_show(address, ids[1], healthiest)
        return found


def told(name: str, found: dict[str, Any]) -> str:
    """Return the figures of one store for people."""
    stored, runs = found["stored"], found["runs"]
    lines = [
        f"{stores.TITLES[name]}, {runs} trials",
        f"  stored   {stored['runs_per_second']:.1f} runs a second (first {_WINDOW}: {stored['first_per_second']:.1f}, "
        f"last: {stored['last_per_second']:.1f}); {stored['ms']:.0f} ms a run, MLflow's client "
        f"{stored['plain_ms']:.0f} ms; ratio {stored['ratio']}",
        f"  read     {found['read_s']:.1f} s, {runs / found['read_s']:.0f} runs a second; as CSV files "
        f"{found['csv_s']:.1f} s, {runs / found['csv_s']:.0f} a second; ratio {found['read_s'] / found['csv_s']:.2f}",
    ]
    if "many_s" in found:
        many, few = found["many_s"], found["few_s"]
        lines.append(
            f"  shown    {many[0]:.1f} s, again {many[1]:.1f} s; {_FEW} trials {few[0]:.1f} s, again {few[1]:.1f} s; "
            f"ratio {many[0] / few[0]:.2f}, again {many[1] / few[1]:.2f}"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--beside", type=int, default=100, help="trials that MLflow's own client stores too")
    parser.add_argument("--files", type=float, default=0.1, help="share of the trials that have files")
    parser.add_argument("--stores", nargs="+", choices=tuple(stores.TITLES), default=stores.there())
    parser.add_argument("--no-browser", action="store_true", help="leave the table of the UI out")
    parser.add_argument("--json", type=Path, help="write the figures")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.beside <= arguments.runs:
        parser.error("at least one trial beside, and not more than there are")
    # MLflow tells on the terminal of each run that ends and each file that is sent.
    os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        logs = [trials.written(Path(folder), number) for number in range(arguments.runs)]
        every = arguments.runs // arguments.beside
        for name in arguments.stores:
            found[name] = measure(name, logs, every, arguments.files, has_browser=not arguments.no_browser)
            print(told(name, found[name]), flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(found, indent=1))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
