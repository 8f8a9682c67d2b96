"""From facts to `labels.csv` (one row a run) and `dropped.csv` (runs that could not be labelled, and why)."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.faults.accepted import accepted, better
from benchmarks.faults.facts import Facts
from benchmarks.faults.plan import Planned, halves, runs
from benchmarks.faults.verify import SYMPTOMS, healthy_text, unhealthy

FIELDS = ("run", "cause", "data", "seed", "healthy", "symptoms", "also", "verified", "half")

SUBSUMED: dict[str, tuple[str, ...]] = {
    # Where the first appeared, the others are weaker names for it: accepted, not asked for.
    "impossible-loss": (
        "divergence",
        "not-learning",
        "underfitting",
        "overfitting",
        "slow-convergence",
        "generalization-gap",
        "loss-metric-disagreement",
        "oscillating-loss",
    ),
    "metric-stuck": ("not-learning", "underfitting"),
    "divergence": ("not-learning", "underfitting", "plateau", "oscillating-loss", "noisy-validation"),
    "not-learning": ("underfitting",),
}
TWINLESS = {"overfitting", "generalization-gap", "overtraining", "nan-loss", "loss-metric-disagreement"}
"""Symptoms proved by the hidden sets alone: a run meant to be healthy that shows one is labelled with it."""


def write(folder: Path, target: Path) -> str:
    """Labels every recorded run; returns a one-paragraph summary."""
    recorded = [run for run in runs() if (folder / f"{run.name}.json").exists()]
    twins = {}
    for run in recorded:
        if run.cause.name.startswith("plain-"):
            twins[run.twin] = Facts.load(folder, run.name, run.cause, run.task)
    half = halves()
    labelled, dropped = [], []
    for run in recorded:
        if run.twin not in twins:
            continue
        facts = Facts.load(folder, run.name, run.cause, run.task, twins[run.twin])
        with np.errstate(all="ignore"):
            row, reason = label(run, facts)
        if row is None:
            dropped.append({"run": run.name, "cause": run.cause.name, "reason": reason})
        else:
            labelled.append(row | {"half": half[run.cause.name]})
    write_rows(target / "labels.csv", FIELDS, sorted(labelled, key=lambda row: row["run"]))
    write_rows(target / "dropped.csv", ("run", "cause", "reason"), sorted(dropped, key=lambda row: row["run"]))
    return summary(labelled, dropped)


def label(run: Planned, facts: Facts) -> tuple[dict[str, str] | None, str]:
    """(the row, "") or (None, why there is none)."""
    found = {name: text for name, check in SYMPTOMS.items() if (text := check(facts))}
    expected = [name for name in run.cause.expects if name in found]
    row = {"run": run.name, "cause": run.cause.name, "data": run.task.name, "seed": str(run.seed)}
    if run.cause.healthy:
        surprising = set(found) & TWINLESS
        if not surprising:
            reasons = [*unhealthy(facts), *(f"{name}: {text}" for name, text in found.items())]
            if reasons:
                return None, "meant healthy, cannot be signed: " + "; ".join(reasons)
            return row | outcome("yes", [], set(better(facts)), healthy_text(facts)), ""
        found = {name: found[name] for name in found if name in surprising}
    elif not found:
        why = "; ".join(unhealthy(facts)) or "passes as healthy"
        return None, f"none of {', '.join(run.cause.expects)} verified ({why})"
    symptoms = expected + [name for name in found if name not in expected]
    weaker = {name for strong in symptoms for name in SUBSUMED.get(strong, ()) if name in symptoms}
    weaker -= {symptoms[0]}
    if facts.non_finite.get("loss", 3) <= 2:  # a log that begins with nan shows nothing else
        weaker |= {name for name in symptoms if name != "nan-loss"}
    symptoms = [name for name in symptoms if name not in weaker]
    also = accepted(facts, symptoms) | weaker
    text = "; ".join(f"{name}: {found[name]}" for name in symptoms)
    return row | outcome("no", symptoms, also - set(symptoms), text), ""


def outcome(healthy: str, symptoms: list[str], also: set[str], verified: str) -> dict[str, str]:
    return {
        "healthy": healthy,
        "symptoms": ";".join(symptoms),
        "also": ";".join(sorted(also)),
        "verified": verified,
    }


def summary(labelled: list[dict[str, str]], dropped: list[dict[str, str]]) -> str:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"tune": 0, "test": 0})
    for row in labelled:
        for name in row["symptoms"].split(";") if row["symptoms"] else ["healthy"]:
            counts[name][row["half"]] += 1
    lines = [f"{len(labelled)} labelled, {len(dropped)} dropped, {len({row['cause'] for row in labelled})} causes"]
    lines += [f"  {name:28} tune {n['tune']:3}  test {n['test']:3}" for name, n in sorted(counts.items())]
    return "\n".join(lines)


def write_rows(path: Path, fields: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
