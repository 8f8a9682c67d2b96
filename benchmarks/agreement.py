"""Compare the diagnosis of logs that other people wrote with what an expert saw in them.

    python -m benchmarks.agreement FOLDER [--confidence high]

FOLDER holds ``labels.csv`` (columns file, format, labels, confidence, note; labels separated by ``;``) and the logs in
``files/``. No such collection comes with this repository: the logs belong to those who wrote them.

A log agrees where every label of it is confirmed: ``healthy`` by no finding at `warning` or above in any training
of the file, ``not-a-training-log`` by a refusal to read it, every other label by a finding of that check (of any
severity, in any training of the file).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from diagnose.analyze import analyze
from diagnose.finding import Severity
from diagnose.readers import read
from diagnose.readers.base import ReadError

#: The expert's words -> the checks that say the same.
CONFIRMS = {
    "overfitting": {"overfitting", "generalization-gap"},
    "val-noisy": {"noisy-validation"},
    "val-better-than-train": {"validation-better-than-training"},
    "plateau": {"plateau", "underfitting"},
    "slow-convergence": {"slow-convergence", "learning-rate-too-low"},
}


def disagreement(path: Path, labels: Sequence[str]) -> str:
    """Return what the diagnosis says otherwise than the labels, or an empty string."""
    try:
        reports = [analyze(run) for run in read(path)]
    except ReadError as error:
        unreadable_is_right = {"not-a-training-log", "too-short"} & set(labels)
        return "" if unreadable_is_right else f"not read: {error}"
    found = {f.check for r in reports for f in r.findings}
    faults = {f.check for r in reports for f in r.findings if f.severity != Severity.INFO}
    wrong = []
    for label in labels:
        if label == "healthy":
            confirmed = not faults
        elif label == "not-a-training-log":
            confirmed = False
        else:
            confirmed = bool(CONFIRMS.get(label, {label}) & found)
        if not confirmed:
            wrong.append(label)
    return f"{', '.join(wrong)} not confirmed; found {', '.join(sorted(found)) or 'nothing'}" if wrong else ""


def main(argv: Sequence[str] | None = None) -> None:
    """Print each disagreement and the share of agreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--confidence", default="high", help="which labels: high, medium, low or all")
    arguments = parser.parse_args(argv)
    with (arguments.folder / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["labels"] and arguments.confidence in ("all", r["confidence"])]
    wrong = 0
    for row in rows:
        text = disagreement(arguments.folder / "files" / row["file"], row["labels"].split(";"))
        if text:
            wrong += 1
            print(f"{row['file']} [{row['labels']}; {row['note']}]\n    {text}")
    agreed = len(rows) - wrong
    print(f"agreement: {agreed}/{len(rows)} = {agreed / max(1, len(rows)):.1%} (bar: at least 90 % at confidence high)")


if __name__ == "__main__":
    main()
