"""Diagnose every labelled run of layers and say how often the right layer fault was named.

    python -m benchmarks.faults.layers.evaluate                # the half of the causes that no threshold was chosen on
    python -m benchmarks.faults.layers.evaluate --half tune    # the other half
    python -m benchmarks.faults.layers.evaluate --misses       # and which runs were got wrong: of `tune` only
    python -m benchmarks.faults.layers.evaluate --write        # the tables of the test half into README.md

A faulty run is named right where a finding at `warning` or above of a layer check is one of its verified faults. A
healthy run is a false alarm where a layer check finds anything at `warning` or above.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.faults.evaluate import Share, share, table
from benchmarks.faults.layers.published_rules import RULES
from diagnose.analyze import analyze
from diagnose.finding import Severity
from diagnose.readers import read
from diagnose.run import Run

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
FALSE_ALARM_BAR, DETECTION_BAR = 0.03, 0.95
FAULTS = (
    "vanishing-gradient",
    "exploding-gradient",
    "dying-relu",
    "saturated-activation",
    "symmetric-weights",
    "frozen-weights",
)


@dataclass(frozen=True)
class Labelled:
    """One recorded run with what is known of it, and what was found in it at `warning` or above, in order."""

    name: str
    cause: str
    faults: frozenset[str]  # verified; none of a healthy run
    main: str  # the fault that was intended, or the first verified
    also: frozenset[str]
    run: Run
    found: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return not self.faults

    @property
    def layer_findings(self) -> frozenset[str]:
        return frozenset(self.found) & frozenset(FAULTS)

    @property
    def right(self) -> bool:
        return bool(self.layer_findings & self.faults)


def load(half: str, folder: Path = HERE) -> list[Labelled]:
    """Read and diagnose the labelled runs of one half (``tune``, ``test`` or ``all``) that have a log."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if half in ("all", row["half"])]
    logs = folder / "runs"
    return [_diagnosed(row, logs) for row in rows if (logs / f"{row['run']}.csv").exists()]


def _diagnosed(row: dict[str, str], logs: Path) -> Labelled:
    run = read(logs / f"{row['run']}.csv")[-1]
    symptoms = row["symptoms"].split(";") if row["symptoms"] else []
    return Labelled(
        name=row["run"],
        cause=row["cause"],
        faults=frozenset(symptoms),
        main=symptoms[0] if symptoms else "",
        also=frozenset(filter(None, row["also"].split(";"))),
        run=run,
        found=tuple(f.check for f in analyze(run).findings if f.severity != Severity.INFO),
    )


def overall(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows of the table of bars: what, measured, bar, met or missed."""
    healthy, faulty = [r for r in runs if r.healthy], [r for r in runs if not r.healthy]
    right = share(faulty, lambda r: r.right)
    alarms = share(healthy, lambda r: bool(r.layer_findings))
    named = [r for r in faulty if r.right]
    return [
        ["faulty runs with the right layer fault named", str(right), "≥ 95 %", _met(right.value >= DETECTION_BAR)],
        [
            "healthy runs with a false alarm of a layer check",
            str(alarms),
            "≤ 3 %",
            _met(alarms.value <= FALSE_ALARM_BAR),
        ],
        [
            "healthy runs with a false alarm of any check",
            str(share(healthy, lambda r: bool(set(r.found) - r.also))),
            "",
            "",
        ],
        [
            "of the runs named right: the report begins with the right layer fault",
            str(share(named, lambda r: r.found[0] in r.faults)),
            "",
            "",
        ],
        [
            "of the findings of layer checks on faulty runs: verified",
            str(_verified(faulty)),
            "",
            "",
        ],
    ]


def _verified(faulty: Sequence[Labelled]) -> Share:
    return Share(sum(len(r.layer_findings & r.faults) for r in faulty), sum(len(r.layer_findings) for r in faulty))


def _met(met: bool) -> str:
    return "met" if met else "missed"


def per_fault(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows fault, causes, named right, named itself, first in the report, false alarms.

    Runs belong to the fault that their cause was meant to show, or to the first verified one. "Itself" counts the
    runs in which this very fault was verified, and found.
    """
    healthy = [r for r in runs if r.healthy]
    rows = []
    for fault in FAULTS:
        meant, shown = [r for r in runs if r.main == fault], [r for r in runs if fault in r.faults]
        rows.append(
            [
                f"`{fault}`",
                str(len({r.cause for r in meant})),
                str(share(meant, lambda r: r.right)),
                str(share(shown, lambda r, f=fault: f in r.found)),
                str(share([r for r in meant if r.right], lambda r: r.found[0] in r.faults)),
                str(share(healthy, lambda r, f=fault: f in r.found)),
            ]
        )
    return rows


def baselines(runs: Sequence[Labelled]) -> list[list[str]]:
    """Return the rows rule, false alarms, precision, recall; the last row is kerasdx on the same runs."""
    healthy = [r for r in runs if r.healthy]
    rows = []
    with np.errstate(all="ignore"):
        fires = {rule.name: {r.name: rule.fires(r.run) for r in runs} for rule in RULES}
    for rule in RULES:
        own = fires[rule.name]
        claimed = [r for r in runs if r.faults & rule.claims]
        rows.append(
            [
                rule.name,
                str(share(healthy, lambda r, f=own: f[r.name])),
                str(share([r for r in runs if own[r.name]], lambda r, c=rule.claims: bool(r.faults & c))),
                str(share(claimed, lambda r, f=own: f[r.name])),
                str(share(claimed, lambda r, c=rule.claims: bool(set(r.found) & c))),
            ]
        )
    rows.append(["any of the above", str(share(healthy, lambda r: any(f[r.name] for f in fires.values()))), "", "", ""])
    rows.append(["**kerasdx, any layer check**", str(share(healthy, lambda r: bool(r.layer_findings))), "", "", ""])
    return rows


def page(runs: Sequence[Labelled], half: str) -> str:
    """Return the tables measured on the runs of a half as Markdown."""
    healthy = sum(r.healthy for r in runs)
    parts = [
        f"{len(runs)} runs of {len({r.cause for r in runs})} causes ({healthy} healthy, {len(runs) - healthy} faulty), "
        f"half `{half}`. In brackets the counts and the 95 % interval.",
        table(("what", "measured", "bar", ""), overall(runs)),
        table(
            (
                "fault",
                "causes",
                "runs meant to show it: a verified fault named",
                "runs that show it: it is named",
                "it leads the report",
                "false alarms on healthy runs",
            ),
            per_fault(runs),
        ),
        "The published rules on the same telemetry:",
        table(
            ("rule", "false alarms on healthy runs", "precision", "recall", "recall of kerasdx on the same runs"),
            baselines(runs),
        ),
    ]
    return "\n\n".join(parts)


def misses(runs: Sequence[Labelled]) -> str:
    """Return the runs that were got wrong, one a line."""
    lines = []
    for r in runs:
        found = ", ".join(r.found) or "nothing"
        if r.healthy and r.layer_findings:
            lines.append(f"  false alarm  {r.name}: {found}")
        elif not r.healthy and not r.right:
            lines.append(f"  missed       {r.name}: {', '.join(sorted(r.faults))}; found {found}")
        elif not r.healthy and r.found[0] not in r.faults:
            lines.append(f"  not first    {r.name}: {', '.join(sorted(r.faults))}; found {found}")
        elif r.healthy and set(r.found) - r.also:
            lines.append(f"  other alarm  {r.name}: {found}")
    return "\n".join(lines)


_BEGIN, _END = "<!-- measured: python -m benchmarks.faults.layers.evaluate --write -->", "<!-- end of measured -->"


def written(text: str) -> str:
    """Return the page's text with the measured part renewed."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{page(load('test'), 'test')}\n\n{_END}{after}"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("test", "tune", "all"), default="test")
    parser.add_argument("--folder", type=Path, default=HERE, help="where labels and logs are")
    parser.add_argument("--misses", action="store_true", help="list the runs of `tune` that were got wrong")
    parser.add_argument("--write", action="store_true", help="put the tables of the test half into README.md")
    arguments = parser.parse_args(argv)
    if arguments.misses and arguments.half != "tune":
        parser.error("--misses needs --half tune: nobody looks at the runs of the test half one by one")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    runs = load(arguments.half, arguments.folder)
    print(page(runs, arguments.half))
    if arguments.misses:
        print(f"\n{misses(runs)}")


if __name__ == "__main__":
    main()
