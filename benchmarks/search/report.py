"""The tables of what `compare` has measured, in Markdown.

    python -m benchmarks.search report [--output FILE] [--seconds S]

Scores are those on the validation samples of the best model so far, and of the same model on the test samples. Before
there is a model, its score is that of always answering the most frequent class, or the mean.

- target: for each data set and seed, the median over all searches of the best validation score at half of the time. The
  time to it is the median over the seeds.
- trials: those that ended within the time, pruned ones too; not the one that the time cuts. Epochs: all that ended.
- MB per trial: by how much resident memory grew from the second trial to the last, divided by the trials between.
- area: that below the curve of the best validation score over time, as a share: 0 is chance from begin to end, 1 is the
  best score of any search on that data set and seed from the first second on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import lines
from benchmarks.search.compare import OUTPUT
from benchmarks.search.estimates import Estimate, difference, mean

#: Of the time.
SHARES = (0.25, 0.5, 1.0)
_VALIDATION, _TEST = 1, 2
#: Scores are 32-bit floats.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Run:
    """A search that is over: a line of the file."""

    content: dict[str, Any]

    @property
    def arm(self) -> str:
        return str(self.content["arm"])

    @property
    def problem(self) -> str:
        return str(self.content["problem"])

    @property
    def seed(self) -> int:
        return int(self.content["seed"])

    @property
    def seconds(self) -> float:
        return float(self.content["seconds"])

    def score(self, column: int, share: float) -> float:
        """Return the validation or test score of the best model after a share of the time."""
        known = [point[column] for point in self.content["curve"] if point[0] <= share * self.seconds]
        return float(known[-1] if known else self.content["chance"][column - 1])

    def time_to(self, target: float) -> float:
        """Return the seconds until the validation score is as good; infinite: it never was."""
        return next((point[0] for point in self.content["curve"] if point[_VALIDATION] >= target - _TOLERANCE), np.inf)

    def area(self, best: float) -> float:
        """Return the share of the area between chance and the best score that lies below the curve."""
        chance = self.content["chance"][0]
        if best <= chance + _TOLERANCE:
            return 0.0
        points = [(0.0, chance), *((t, max(chance, value)) for t, value, _test in self.content["curve"])]
        ends = [*(t for t, _value in points[1:]), self.seconds]
        covered = sum((end - t) * (value - chance) for (t, value), end in zip(points, ends, strict=True))
        return float(covered / (self.seconds * (best - chance)))

    @property
    def trials(self) -> int:
        return sum(fit["ended"] is not None and fit["ended"] <= self.seconds for fit in self.content["fits"])

    @property
    def epochs(self) -> int:
        return sum(fit["epochs"] for fit in self.content["fits"])

    @property
    def memory(self) -> float:
        """MB that each trial added; NaN of fewer than three."""
        held = [fit["memory"] for fit in self.content["fits"]][1:]
        return float((held[-1] - held[0]) / (len(held) - 1)) if len(held) > 1 else float("nan")


@dataclass(frozen=True)
class Runs:
    """All searches of one length."""

    runs: Sequence[Run]

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]], seconds: float | None = None) -> Runs:
        """Return those of this length, or of the length that most have; the last one of each counts."""
        lengths = [record["seconds"] for record in records if "error" not in record]
        if not lengths:
            return cls(())
        wanted = max(set(lengths), key=lengths.count) if seconds is None else seconds
        last = {
            (record["problem"], record["arm"], record["seed"]): Run(record)
            for record in records
            if "error" not in record and record["seconds"] == wanted
        }
        return cls(tuple(last.values()))

    def names(self, attribute: str) -> list[str]:
        return sorted({getattr(run, attribute) for run in self.runs})

    def where(self, **wanted: Any) -> list[Run]:
        """Return the runs with these attributes, in the order of their seeds."""
        found = [run for run in self.runs if all(getattr(run, name) == value for name, value in wanted.items())]
        return sorted(found, key=lambda run: run.seed)

    def best(self, run: Run) -> float:
        """Return the best validation score of any search on the same data set and seed."""
        return max(other.score(_VALIDATION, 1.0) for other in self.where(problem=run.problem, seed=run.seed))

    def target(self, run: Run) -> float:
        """Return the score whose time is taken, for the same data set and seed."""
        peers = self.where(problem=run.problem, seed=run.seed)
        return float(np.median([peer.score(_VALIDATION, 0.5) for peer in peers]))

    def differences(self, arm: str, other: str, measure: str) -> dict[str, list[float]]:
        """Return data set -> by how much an arm is ahead of another, for each seed that both have."""
        found: dict[str, list[float]] = {}
        for run in self.where(arm=arm):
            for rival in self.where(arm=other, problem=run.problem, seed=run.seed):
                values = [self.measured(each, measure) for each in (run, rival)]
                found.setdefault(run.problem, []).append(values[0] - values[1])
        return found

    def measured(self, run: Run, measure: str) -> float:
        """Return ``area``, ``validation`` or ``test`` of a run."""
        if measure == "area":
            return run.area(self.best(run))
        return run.score(_VALIDATION if measure == "validation" else _TEST, 1.0)


def problem_table(runs: Runs, problem: str) -> Iterator[str]:
    """Yield the table of one data set."""
    shares = [f"{share:.0%}" for share in SHARES]
    titles = (
        "search", *(f"validation, {share}" for share in shares), *(f"test, {share}" for share in shares),
        "time to target", "trials/min", "epochs", "MB per trial", "area",
    )  # fmt: skip
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for arm in runs.names("arm"):
        of_arm = runs.where(problem=problem, arm=arm)
        if of_arm:
            yield f"| {' | '.join((f'`{arm}`', *_cells(runs, of_arm)))} |"


def _cells(runs: Runs, of_arm: Sequence[Run]) -> Iterator[str]:
    for column in (_VALIDATION, _TEST):
        for share in SHARES:
            yield _told(mean([run.score(column, share) for run in of_arm]), ".3f")
    times = [run.time_to(runs.target(run)) for run in of_arm]
    reached = int(np.isfinite(times).sum())
    middle = float(np.median(times))
    shown = f"{middle:.0f} s" if np.isfinite(middle) else f"> {of_arm[0].seconds:g} s"
    yield f"{shown} ({reached}/{len(times)})"
    yield _told(mean([60 * run.trials / run.content["searched"] for run in of_arm]), ".1f")
    yield _told(mean([run.epochs for run in of_arm]), ".0f")
    grown = [run.memory for run in of_arm if np.isfinite(run.memory)]
    yield _told(mean(grown), ".1f") if grown else "-"
    yield _told(mean([run.area(runs.best(run)) for run in of_arm]), ".2f")


def _told(estimate: Estimate, form: str) -> str:
    half = (estimate.high - estimate.low) / 2
    return f"{estimate.value:{form}} ± {half:{form}}" if np.isfinite(half) else f"{estimate.value:{form}}"


def comparison_table(runs: Runs) -> Iterator[str]:
    """Yield each search of ours beside each of the others, and pruning on beside off, over all data sets."""
    ours = [arm for arm in runs.names("arm") if arm.startswith("ours")]
    others = [arm for arm in runs.names("arm") if not arm.startswith("ours")]
    pairs = [(arm, other) for arm in ours if not arm.endswith("-unpruned") for other in (f"{arm}-unpruned", *others)]
    yield "| search | beside | pairs | area | validation | test | ahead, even, behind (validation) |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for arm, other in pairs:
        by_measure = {measure: runs.differences(arm, other, measure) for measure in ("area", "validation", "test")}
        if by_measure["area"]:
            cells = [difference(found).told("+.3f") for found in by_measure.values()]
            ahead = np.concatenate(list(by_measure["validation"].values()))
            counts = [int(n.sum()) for n in (ahead > _TOLERANCE, abs(ahead) <= _TOLERANCE, ahead < -_TOLERANCE)]
            told = ", ".join(map(str, counts))
            yield f"| `{arm}` | `{other}` | {len(ahead)} | {' | '.join(cells)} | {told} |"


def tables(runs: Runs) -> Iterator[str]:
    """Yield the whole report."""
    for problem in runs.names("problem"):
        of_problem = runs.where(problem=problem)
        seeds = len({run.seed for run in of_problem})
        objective, seconds = of_problem[0].content["objective"], of_problem[0].seconds
        yield f"### {problem}"
        yield ""
        yield f"{objective}, {seconds:g} s on one processor core, {seeds} seeds; mean ± half of its 95 % interval."
        yield ""
        yield from problem_table(runs, problem)
        yield ""
    loads = [run.content["load"] for run in runs.runs]
    looked = max(run.content["looked"] for run in runs.runs)
    yield f"Load of the machine as a search began: median {np.median(loads):.1f}, at most {max(loads):.1f}."
    yield f"Scoring on the test samples took at most {looked:.1f} s of a search and is not in its time."
    yield ""
    yield "### Seed by seed"
    yield ""
    yield "Mean difference over the data sets; 95 % interval by drawing the seeds anew within each data set."
    yield ""
    yield from comparison_table(runs)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="what `compare` has written")
    parser.add_argument("--seconds", type=float, help="searches of this length; else of the most frequent one")
    arguments = parser.parse_args(argv)
    records = lines.read(arguments.output)
    runs = Runs.of(records, arguments.seconds)
    if not runs.runs:
        print(f"{arguments.output}: no search in it; run python -m benchmarks.search first", file=sys.stderr)
        return 1
    print("\n".join(tables(runs)))
    known = {(run.problem, run.arm, run.seed) for run in runs.runs}
    failed = {(record["problem"], record["arm"], record["seed"]) for record in records if "error" in record} - known
    if failed:
        print(f"\n{len(failed)} searches failed and are not in the tables.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
