"""Replay every labelled run epoch by epoch, as Monitor sees it, and count what a person would have been told.

    python -m benchmarks.live [--half tune|test|all] [--misses]

Beside the policy of `diagnose.news` stands the naive one: every finding at `warning` or above is told as soon as a
check has it. Half `tune` is the one that the policy was chosen on.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.faults.evaluate import HERE, Share, table
from diagnose.analyze import analyze
from diagnose.finding import Severity
from diagnose.live.record import Record
from diagnose.news import News
from diagnose.readers import read
from diagnose.report import RunReport
from diagnose.run import Run

#: Symptoms after which nothing trained counts any more.
LOST = frozenset({"nan-loss", "divergence"})


@dataclass
class Replayed:
    """One labelled run and when, in epochs from 1, something was first said of it at `warning` or above.

    Parameters
    ----------
    seen, told
        Check -> the epoch in which it had a finding, and in which that was told as news.
    lost
        The epoch in which the run was given up as lost, and because of which check; None where it was not.
    """

    name: str
    half: str
    healthy: bool
    symptoms: frozenset[str]
    also: frozenset[str]
    epochs: int
    seen: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    lost: tuple[int, str] | None = None


def reports(run: Run) -> Iterator[RunReport]:
    """Yield the report after each epoch, as of a training that goes on."""
    record = Record(run.source, run.format)
    for epoch, row in rows(run):
        record.add(epoch, row)
        yield analyze(record.run(run.config), live=True)


def rows(run: Run) -> Iterator[tuple[float, dict[str, float]]]:
    """Yield the number and the row of each epoch of a run."""
    cells: dict[float, dict[str, float]] = {}
    for series in run.series:
        for epoch, value in zip(series.epochs.tolist(), series.values.tolist(), strict=True):
            cells.setdefault(epoch, {})[series.name] = value
    for statistic in run.layers.values():
        names = [f"{statistic.name}/{layer}" for layer in statistic.layers]
        for epoch, values in zip(statistic.epochs.tolist(), statistic.values.tolist(), strict=True):
            cells.setdefault(epoch, {}).update(zip(names, values, strict=True))
    yield from sorted(cells.items())


def replay(label: dict[str, str], *, know_plan: bool = True, folder: Path = HERE) -> Replayed:
    """Follow one labelled run from its first epoch to its last."""
    (run,) = read(folder / "runs" / f"{label['run']}.csv")
    result = Replayed(
        name=label["run"],
        half=label["half"],
        healthy=label["healthy"] == "yes",
        symptoms=frozenset(filter(None, label["symptoms"].split(";"))),
        also=frozenset(filter(None, label["also"].split(";"))),
        epochs=run.epochs,
    )
    news = News(run.epochs if know_plan else None)
    for epoch, report in enumerate(reports(run), start=1):
        for finding in report.findings:
            if finding.severity != Severity.INFO:
                result.seen.setdefault(finding.check, epoch)
        for finding in news.tell(report):
            if finding.severity != Severity.INFO:
                result.told.setdefault(finding.check, epoch)
        lost = news.lost(report)
        if lost is not None and result.lost is None:
            result.lost = epoch, lost.check
    return result


def labels(half: str, folder: Path = HERE) -> list[dict[str, str]]:
    """Return the labels of the runs of a half (``tune``, ``test`` or ``all``)."""
    with (folder / "labels.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if half in ("all", row["half"])]


def replayed(half: str, *, know_plan: bool = True, folder: Path = HERE) -> list[Replayed]:
    """Replay the runs of a half."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(replay, know_plan=know_plan, folder=folder), labels(half, folder), chunksize=8))


def overall(runs: Sequence[Replayed]) -> list[list[str]]:
    """Return the rows what, at first sight, as news, bar."""
    healthy = [r for r in runs if r.healthy]
    faulty = [r for r in runs if not r.healthy]
    lost = [r for r in faulty if r.symptoms & LOST]
    broken = [r for r in faulty if "nan-loss" in r.symptoms]
    return [
        ["healthy runs with a line at any epoch", _count(healthy, "seen"), _count(healthy, "told"), "≤ 3 %"],
        ["healthy runs given up as lost", "", _given_up(healthy), "< 1 %"],
        ["faulty runs with a right line while training", _right(faulty, "seen"), _right(faulty, "told"), ""],
        ["... at which share of the training, quartiles", _when(faulty, "seen"), _when(faulty, "told"), ""],
        ["runs with a NaN loss told in the epoch of the first NaN", "", _prompt(broken), "all"],
        ["runs that broke down given up as lost", "", _given_up(lost), ""],
        ["runs given up that neither broke down nor may be said to", "", _wrongly(faulty), "none"],
    ]


def _count(runs: Sequence[Replayed], policy: str) -> str:
    return str(Share(sum(bool(getattr(r, policy)) for r in runs), len(runs)))


def _first_right(runs: Iterable[Replayed], policy: str) -> list[float]:
    """Return, of the runs told a symptom of theirs, the share of the training that had passed."""
    found = []
    for run in runs:
        epochs = [epoch for check, epoch in getattr(run, policy).items() if check in run.symptoms]
        if epochs:
            found.append(min(epochs) / run.epochs)
    return found


def _right(runs: Sequence[Replayed], policy: str) -> str:
    return str(Share(len(_first_right(runs, policy)), len(runs)))


def _when(runs: Sequence[Replayed], policy: str) -> str:
    shares = _first_right(runs, policy)
    return ", ".join(f"{100 * share:.0f} %" for share in np.quantile(shares, (0.25, 0.5, 0.75))) if shares else "-"


def _prompt(runs: Sequence[Replayed]) -> str:
    return str(Share(sum(r.told.get("nan-loss", math.inf) == r.seen.get("nan-loss") for r in runs), len(runs)))


def _given_up(runs: Sequence[Replayed]) -> str:
    return str(Share(sum(r.lost is not None for r in runs), len(runs)))


def _wrongly(runs: Sequence[Replayed]) -> str:
    wrong = [r for r in runs if r.lost is not None and not (r.symptoms | r.also) & LOST]
    return str(Share(len(wrong), sum(r.lost is not None for r in runs)))


def per_check(runs: Sequence[Replayed]) -> list[list[str]]:
    """Return the rows check, healthy runs with a line of it at first sight and as news, faulty runs, quartiles."""
    healthy = [r for r in runs if r.healthy]
    seen, told = (Counter(check for r in healthy for check in getattr(r, policy)) for policy in ("seen", "told"))
    found = []
    for check in sorted({check for r in runs for check in (*r.seen, *r.symptoms)}):
        sick = [r for r in runs if check in r.symptoms]
        shares = [r.told[check] / r.epochs for r in sick if check in r.told]
        when = ", ".join(f"{100 * share:.0f} %" for share in np.quantile(shares, (0.25, 0.5, 0.75))) if shares else "-"
        found.append([f"`{check}`", str(seen[check]), str(told[check]), f"{len(shares)}/{len(sick)}", when])
    return found


def misses(runs: Sequence[Replayed]) -> str:
    """Return the false lines on healthy runs, one a line."""
    return "\n".join(
        f"  {r.name}: {', '.join(f'{check} from epoch {epoch} of {r.epochs}' for check, epoch in r.told.items())}"
        for r in runs
        if r.healthy and r.told
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("test", "tune", "all"), default="all")
    parser.add_argument("--no-plan", action="store_true", help="as if nobody knew how many epochs are planned")
    parser.add_argument("--misses", action="store_true", help="list the false lines on healthy runs")
    parser.add_argument(
        "--folder", type=Path, default=HERE, help="labels and runs, for example benchmarks/faults/layers"
    )
    arguments = parser.parse_args(argv)
    runs = replayed(arguments.half, know_plan=not arguments.no_plan, folder=arguments.folder)
    for half in ("tune", "test"):
        some = [r for r in runs if r.half == half]
        if some:
            print(f"Half `{half}`, {len(some)} runs.\n")
            print(table(("what", "at first sight", "as news", "bar"), overall(some)), end="\n\n")
    head = ("check", "false at first sight", "false as news", "right as news", "at which share of the training")
    print(table(head, per_check(runs)))
    if arguments.misses:
        print(f"\n{misses(runs)}")


if __name__ == "__main__":
    main()
