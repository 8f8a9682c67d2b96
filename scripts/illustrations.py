"""Which run the page of a check shows: a recorded one in which it fires, else one made here by hand.

The choice is the same on every machine: recorded runs labelled with the check as their symptom come first, then
the examples, then any other recorded run. Made by hand are only runs that nobody has recorded: layer statistics,
and a log with several trainings.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from diagnose.analyze import analyze
from diagnose.finding import Finding
from diagnose.readers import read
from diagnose.renderers import plots
from diagnose.report import RunReport

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "benchmarks" / "faults"
EXAMPLES = ROOT / "examples" / "logs"

RECORDED = "recorded for the benchmark"
EXAMPLE = "one of the examples"
MADE = "made by hand, not recorded"

_EPOCHS = 30


@dataclass(frozen=True)
class Illustration:
    """A run in which a check fires.

    Parameters
    ----------
    name, cause, origin
        The run, what was done to it, and where it comes from.
    report
        Its diagnosis, with the one finding alone.
    finding
        The finding.
    """

    name: str
    cause: str
    origin: str
    report: RunReport
    finding: Finding


@dataclass(frozen=True)
class _Candidate:
    name: str
    origin: str
    cause: str
    symptoms: Sequence[str]
    report: RunReport

    def shows(self, check: str) -> bool:
        """Whether the check fires and there is something to draw: a run of one epoch has no line."""
        fires = any(f.check == check for f in self.report.findings)
        return fires and bool(plots.plots(self.report, points=8, limit=1))

    def rank(self, check: str) -> tuple[int, bool, int, bool, bool, int, str]:
        """Order: labelled with the check first of all, its place seen in the drawing, severe.

        After that: has a metric (a reader knows what an accuracy means), leads the report, little else in the way.
        """
        labelled = self.symptoms.index(check) if check in self.symptoms else len(self.symptoms)
        severity = next(f.severity.rank for f in self.report.findings if f.check == check)
        drawn = plots.plots(self.report, points=8, limit=1)
        unmarked = not any(m.label == check for p in drawn for m in p.marks)
        without_metric = self.report.run.get("metric") is None
        follows = self.report.findings[0].check != check
        return labelled, unmarked, -severity, without_metric, follows, len(self.report.findings), self.name


def illustrate(check: str) -> Illustration | None:
    """Return the run to show for a check; None where there is none in which it fires."""
    with_symptom = [c for c in _labelled() if check in c.symptoms]
    for candidates in (with_symptom, _examples(), _labelled(), _made(check)):
        showing = [c for c in candidates if c.shows(check)]
        if showing:
            return _illustration(min(showing, key=lambda c: c.rank(check)), check)
    return None


def _illustration(candidate: _Candidate, check: str) -> Illustration:
    finding = next(f for f in candidate.report.findings if f.check == check)
    report = dataclasses.replace(candidate.report, findings=(finding,))
    return Illustration(candidate.name, candidate.cause, candidate.origin, report, finding)


@functools.cache
def _labelled() -> tuple[_Candidate, ...]:
    """Return the labelled runs of the benchmark that are on disk."""
    labels = FAULTS / "labels.csv"
    if not labels.is_file():
        return ()
    with labels.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(filter(None, map(_recorded, rows)))


def _recorded(row: Mapping[str, str]) -> _Candidate | None:
    path = FAULTS / "runs" / f"{row['run']}.csv"
    if not path.is_file():
        return None
    report = analyze(read(path)[0])
    cause = str(report.run.config.get("injected", row["cause"]))
    return _Candidate(row["run"], RECORDED, cause, list(filter(None, row["symptoms"].split(";"))), report)


@functools.cache
def _examples() -> tuple[_Candidate, ...]:
    causes = {
        "dead-units": "biases so negative that no ReLU ever fires",
        "healthy": "nothing",
        "overfitting": "a wide network, 150 images, a fifth of them with a wrong label",
        "rate-too-high": "a learning rate a hundred times too large",
    }
    return tuple(
        _Candidate(path.stem, EXAMPLE, causes.get(path.stem, path.stem), (), analyze(read(path)[0]))
        for path in sorted(EXAMPLES.glob("*.csv"))
    )


def _made(check: str) -> list[_Candidate]:
    if check not in BY_HAND:
        return []
    cause, make = BY_HAND[check]
    runs = read(f"{check}.csv", content=make().encode())
    return [_Candidate(run.title, MADE, cause, (check,), analyze(run)) for run in runs]


# Runs made by hand. Six digits are written, so that the last bit of a machine's arithmetic does not count.


def _table(columns: Mapping[str, Sequence[float]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(f"{v:.6g}" for v in row) for row in rows)]) + "\n"


def _course(value: Callable[[int], float], epochs: int = _EPOCHS) -> list[float]:
    return [value(epoch) for epoch in range(epochs)]


def _wave(epoch: int, phase: float, height: float) -> float:
    """Return a small irregular swing around 1."""
    return 1.0 + height * (math.sin(1.7 * epoch + 2.1 * phase) + math.sin(0.6 * epoch + phase)) / 2


def _falling(epoch: int) -> float:
    return (0.25 + 2.0 * math.exp(-epoch / 7)) * _wave(epoch, 1, 0.02)


def _level(epoch: int) -> float:
    return 2.303 * _wave(epoch, 1, 0.002)


def _telemetry(loss: Callable[[int], float], statistics: Mapping[str, Mapping[str, Callable[[int], float]]]) -> str:
    columns = {"epoch": _course(float), "loss": _course(loss)}
    for statistic, layers in statistics.items():
        columns |= {f"{statistic}/{layer}": _course(value) for layer, value in layers.items()}
    return _table(columns)


def _dense(count: int) -> Iterator[tuple[int, str]]:
    """Yield the place and name of each layer, the output last."""
    yield from ((i, f"dense_{i + 1}") for i in range(count - 1))
    yield count - 1, "output"


def _vanishing() -> str:
    return _telemetry(
        _level,
        {"grad_norm": {n: lambda e, i=i: 0.4 * 10 ** (-0.62 * (9 - i)) * _wave(e, i, 0.5) for i, n in _dense(10)}},
    )


def _exploding() -> str:
    def growth(epoch: int) -> float:
        return 10 ** (0.22 * max(epoch - 12, 0))

    return _telemetry(
        lambda e: _falling(min(e, 14)) * 1.14 ** max(e - 14, 0),
        {"grad_norm": {n: lambda e, i=i: (0.2 + 0.1 * i) * growth(e) * _wave(e, i, 0.4) for i, n in _dense(6)}},
    )


def _dying() -> str:
    ends = {"dense_1": 0.22, "dense_2": 0.93, "dense_3": 0.97, "dense_4": 0.3}

    def share(end: float, epoch: int, place: int) -> float:
        grown = 0.12 + (end - 0.12) / (1 + math.exp(-(epoch - 9) / 2))
        return round(32 * min(1.0, grown * _wave(epoch, place, 0.03))) / 32

    layers = {n: lambda e, end=end, i=i: share(end, e, i) for i, (n, end) in enumerate(ends.items())}
    return _telemetry(lambda e: _falling(min(e, 8)), {"dead_fraction": layers})


def _saturated() -> str:
    shares = {"tanh_1": 0.96, "tanh_2": 0.91, "tanh_3": 0.68, "tanh_4": 0.24}
    layers = {n: lambda e, s=s, i=i: min(1.0, s * _wave(e, i, 0.04)) for i, (n, s) in enumerate(shares.items())}
    return _telemetry(_level, {"saturated_fraction": layers})


def _symmetric() -> str:
    shares = {"dense_1": 1.0, "dense_2": 1.0, "output": 0.0}
    return _telemetry(_level, {"duplicate_fraction": {n: lambda _, s=s: s for n, s in shares.items()}})


def _frozen() -> str:
    moves = {"conv_1": 0.0, "conv_2": 0.0, "conv_3": 2e-3, "dense": 4e-3, "output": 6e-3}
    return _telemetry(
        lambda e: 0.5 + _falling(e),
        {
            "grad_norm": {n: lambda e, i=i: 0.3 * _wave(e, i, 0.5) for i, n in enumerate(moves)},
            "update_ratio": {n: lambda e, m=m, i=i: m * _wave(e, i, 0.5) for i, (n, m) in enumerate(moves.items())},
        },
    )


def _resumed() -> str:
    epochs = [*range(18), *range(12)]
    loss = _course(_falling)
    held = [v + 0.08 + 0.004 * math.sin(2.3 * e) for e, v in enumerate(loss)]
    return _table({"epoch": epochs, "loss": loss, "val_loss": held})


#: Check -> what was done to the run, and how it is made.
BY_HAND: dict[str, tuple[str, Callable[[], str]]] = {
    "restarted-log": ("a training taken up again after epoch 17, its epochs counted from 0 again", _resumed),
    "vanishing-gradient": ("ten layers, the gradient a quarter as large in each one nearer to the input", _vanishing),
    "exploding-gradient": ("gradients that grow by two thirds an epoch from epoch 12 on", _exploding),
    "dying-relu": ("two layers of which most units die within ten epochs", _dying),
    "saturated-activation": ("tanh layers whose inputs are far too large", _saturated),
    "symmetric-weights": ("two hidden layers that start with all weights equal", _symmetric),
    "frozen-weights": ("two layers that get a gradient and are never changed", _frozen),
}  # fmt: skip
