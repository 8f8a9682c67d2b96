"""From facts to `labels.csv` (one row a run) and `dropped.csv` (runs that could not be labelled, and why)."""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.labels import FIELDS, outcome, write_rows
from benchmarks.faults.layers.facts import Facts, read
from benchmarks.faults.layers.plan import PLAIN, halves, runs
from benchmarks.faults.layers.verify import FAULTS, curve_faults, doubtful, unhealthy
from benchmarks.faults.plan import Planned


def write(folder: Path) -> str:
    """Labels every observed run; returns a summary."""
    observed = read(folder / "facts.jsonl")
    planned = [run for run in runs() if run.name in observed]
    twins = {
        run.twin: Facts(observed[run.name], run.cause, run.task) for run in planned if run.cause.name.startswith(PLAIN)
    }
    half = halves()
    labelled, dropped = [], []
    for run in planned:
        if run.twin not in twins:
            continue
        twin = None if run.cause.name.startswith(PLAIN) else twins[run.twin]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # medians of layers without any gradient
            row, reason = label(run, Facts(observed[run.name], run.cause, run.task, twin))
        if row is None:
            dropped.append({"run": run.name, "cause": run.cause.name, "reason": reason})
        else:
            labelled.append(row | {"half": half[run.cause.name]})
    write_rows(folder / "labels.csv", FIELDS, sorted(labelled, key=lambda row: row["run"]))
    write_rows(folder / "dropped.csv", ("run", "cause", "reason"), sorted(dropped, key=lambda row: row["run"]))
    return summary(labelled, dropped)


def label(run: Planned, facts: Facts) -> tuple[dict[str, str] | None, str]:
    """(the row, "") or (None, why there is none)."""
    found = {name: text for name, verify in FAULTS.items() if (text := verify(facts))}
    row = {"run": run.name, "cause": run.cause.name, "data": run.task.name, "seed": str(run.seed)}
    if run.cause.healthy:
        reasons = [*unhealthy(facts), *doubtful(facts), *(f"{name}: {text}" for name, text in found.items())]
        if reasons:
            return None, "meant healthy, cannot be signed: " + "; ".join(reasons)
        text = (
            f"holdout skill {facts.final('holdout_skill'):.2f}, twin {facts.sound.final('holdout_skill'):.2f}; "
            "no fault of a layer verified"
        )
        return row | outcome("yes", [], curve_faults(facts), text), ""
    if not found:
        why = "; ".join([*unhealthy(facts), *doubtful(facts)]) or "passes as healthy"
        return None, f"none of {', '.join(run.cause.expects)} verified ({why})"
    symptoms = [name for name in run.cause.expects if name in found]
    symptoms += [name for name in found if name not in symptoms]
    text = "; ".join(f"{name}: {found[name]}" for name in symptoms)
    return row | outcome("no", symptoms, set(), text), ""


def summary(labelled: list[dict[str, Any]], dropped: list[dict[str, str]]) -> str:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"tune": 0, "test": 0})
    for row in labelled:
        for name in row["symptoms"].split(";") if row["symptoms"] else ["healthy"]:
            counts[name][row["half"]] += 1
    causes = len({row["cause"] for row in labelled})
    lines = [f"{len(labelled)} labelled, {len(dropped)} dropped, {causes} causes"]
    lines += [f"  {name:24} tune {n['tune']:3}  test {n['test']:3}" for name, n in sorted(counts.items())]
    return "\n".join(lines)
