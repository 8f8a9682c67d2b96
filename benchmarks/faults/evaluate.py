"""Diagnose every labelled run and say how often the diagnosis was right.

    python -m benchmarks.faults.evaluate                # the half of the causes that no threshold was chosen on
    python -m benchmarks.faults.evaluate --half tune    # the other half
    python -m benchmarks.faults.evaluate --misses       # and which runs were got wrong
    python -m benchmarks.faults.evaluate --write        # the table into docs/benchmark.md

A run counts as a false alarm where it is labelled healthy and has a finding at `warning` or above, and as detected
where it is labelled faulty and one of its verified symptoms was found at `warning` or above.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.faults.published_rules import RULES
from diagnose.analyze import analyze
from diagnose.finding import Severity
from diagnose.readers import read
from diagnose.run import Run

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmark.md"
FALSE_ALARM_BAR, DETECTION_BAR = 0.03, 0.95


@dataclass(frozen=True)
class Labelled:
    """One recorded run with what is known of it, and what was found in it at `warning` or above."""

    name: str
    cause: str
    healthy: bool
    symptoms: frozenset[str]
    also: frozenset[str]
    half: str
    run: Run
    found: frozenset[str]


def load(half: str) -> list[Labelled]:
    """Read and diagnose the labelled runs of one half (``tune``, ``test`` or ``all``)."""
    with (HERE / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if half in ("all", row["half"])]
    return [_diagnosed(row) for row in rows]


def _diagnosed(row: dict[str, str]) -> Labelled:
    (run,) = read(HERE / "runs" / f"{row['run'].removesuffix('.csv')}.csv")
    report = analyze(run)
    return Labelled(
        name=row["run"],
        cause=row["cause"],
        healthy=row["healthy"] == "yes",
        symptoms=frozenset(filter(None, row["symptoms"].split(";"))),
        also=frozenset(filter(None, row["also"].split(";"))),
        half=row["half"],
        run=run,
        found=frozenset(f.check for f in report.findings if f.severity != Severity.INFO),
    )


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson (1927)."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    def __str__(self) -> str:
        if not self.of:
            return "-"
        z, n, p = 1.96, self.of, self.value
        centre, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (centre - width) / (1 + z * z / n), (centre + width) / (1 + z * z / n)
        return f"{100 * p:.1f} % ({self.hits}/{self.of}; {100 * max(0, low):.0f}-{100 * min(1, high):.0f} %)"


def share(runs: Iterable[Labelled], hit: Callable[[Labelled], bool]) -> Share:
    """Return how many of the runs are hits."""
    hits = [hit(run) for run in runs]
    return Share(sum(hits), len(hits))


def overall(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows of the table of bars: what, measured, bar, met or missed."""
    healthy = [r for r in runs if r.healthy]
    faulty = [r for r in runs if not r.healthy]
    alarms = share(healthy, lambda r: bool(r.found))
    right = share(faulty, lambda r: bool(r.found & r.symptoms))
    accepted = share(faulty, lambda r: bool(r.found & (r.symptoms | r.also)))
    return [
        ["healthy runs with a false alarm", str(alarms), "≤ 3 %", _met(alarms.value <= FALSE_ALARM_BAR)],
        ["faulty runs with a right finding", str(right), "≥ 95 %", _met(right.value >= DETECTION_BAR)],
        ["... counting other names that an expert would accept", str(accepted), "", ""],
        ["... with any finding", str(share(faulty, lambda r: bool(r.found))), "", ""],
    ]


def _met(met: bool) -> str:
    return "met" if met else "missed"


def per_check(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows check, precision, recall, false alarms on healthy runs.

    Precision: of the runs in which the check fired, those labelled with it (as symptom or as accepted beside it).
    Recall: of the runs labelled with it as a symptom, those in which it fired.
    """
    healthy = [r for r in runs if r.healthy]
    ids = sorted({c for r in runs for c in (*r.found, *r.symptoms)})
    return [
        [
            f"`{check}`",
            str(share([r for r in runs if check in r.found], lambda r, c=check: c in r.symptoms | r.also)),
            str(share([r for r in runs if check in r.symptoms], lambda r, c=check: c in r.found)),
            str(share(healthy, lambda r, c=check: c in r.found)),
        ]
        for check in ids
    ]


def baselines(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows rule, false alarms, precision, recall; the last row is kerasdx on the same runs."""
    healthy = [r for r in runs if r.healthy]
    rows = []
    with np.errstate(all="ignore"):
        for rule in RULES:
            fires = {r.name: rule.fires(r.run) for r in runs}
            claimed = [r for r in runs if r.symptoms & rule.claims]
            rows.append(
                [
                    rule.name,
                    str(share(healthy, lambda r, f=fires: f[r.name])),
                    str(
                        share(
                            [r for r in runs if fires[r.name]], lambda r, c=rule.claims: bool((r.symptoms | r.also) & c)
                        )
                    ),
                    str(share(claimed, lambda r, f=fires: f[r.name])),
                    str(share(claimed, lambda r, c=rule.claims: bool(r.found & c))),
                ]
            )
    any_rule = {r.name: any(rule.fires(r.run) for rule in RULES) for r in runs}
    rows.append(["any of the above", str(share(healthy, lambda r: any_rule[r.name])), "", "", ""])
    rows.append(["**kerasdx, any check**", str(share(healthy, lambda r: bool(r.found))), "", "", ""])
    return rows


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def misses(runs: Sequence[Labelled]) -> str:
    """Return the runs that were got wrong, one a line."""
    lines = [f"  false alarm  {r.name}: {', '.join(sorted(r.found))}" for r in runs if r.healthy and r.found] + [
        f"  missed       {r.name}: {', '.join(sorted(r.symptoms))}; found {', '.join(sorted(r.found)) or 'nothing'}"
        for r in runs
        if not r.healthy and not r.found & r.symptoms
    ]
    return "\n".join(lines)


def page(runs: Sequence[Labelled], half: str) -> str:
    """Return the tables measured on the runs of a half as Markdown."""
    causes = defaultdict(int)
    for r in runs:
        causes[r.cause] += 1
    healthy = sum(r.healthy for r in runs)
    parts = [
        f"{len(runs)} runs of {len(causes)} causes ({healthy} healthy, {len(runs) - healthy} faulty), half `{half}`. "
        "In brackets the counts and the 95 % interval.",
        table(("what", "measured", "bar", ""), overall(runs)),
        "### Each check",
        table(("check", "precision", "recall", "false alarms on healthy runs"), per_check(runs)),
        "### The published rules on the same runs",
        table(
            ("rule", "false alarms on healthy runs", "precision", "recall", "recall of kerasdx on the same runs"),
            baselines(runs),
        ),
    ]
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("test", "tune", "all"), default="test")
    parser.add_argument("--misses", action="store_true", help="list the runs that were got wrong")
    parser.add_argument("--write", action="store_true", help="put the tables of the test half into docs/benchmark.md")
    arguments = parser.parse_args(argv)
    if arguments.write:
        write()
        return
    runs = load(arguments.half)
    print(page(runs, arguments.half))
    if arguments.misses:
        print(f"\n{misses(runs)}")


_BEGIN, _END = "<!-- measured: python -m benchmarks.faults.evaluate --write -->", "<!-- end of measured -->"


def written(text: str) -> str:
    """Return the page's text with the measured part renewed."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{page(load('test'), 'test')}\n\n{_END}{after}"


def write() -> None:
    """Renew the measured part of docs/benchmark.md."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
