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
from collections.abc import Callable, Mapping, Sequence
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
#: The value of a layer statistic by place of the layer and epoch.
_LayerCourse = Callable[[int, int], float]


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

    def rank(self, check: str) -> tuple[int, int, int, bool, bool, int, str]:
        """Order: labelled with the check first of all, its place within the drawing (or else at an end of it), severe.

        After that: has a metric (a reader knows what an accuracy means), leads the report, little else in the way.
        """
        labelled = self.symptoms.index(check) if check in self.symptoms else len(self.symptoms)
        severity = next(f.severity.rank for f in self.report.findings if f.check == check)
        drawn = plots.plots(self.report, points=8, limit=1)
        places = (int(m.epoch in (p.x.low, p.x.high)) for p in drawn for m in p.marks if m.label == check)
        without_metric = self.report.run.get("metric") is None
        follows = self.report.findings[0].check != check
        return (
            labelled,
            min(places, default=2),
            -severity,
            without_metric,
            follows,
            len(self.report.findings),
            self.name,
        )


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


def _telemetry(loss: Callable[[int], float], **statistics: tuple[Sequence[str], _LayerCourse]) -> str:
    columns = {"epoch": _course(float), "loss": _course(loss)}
    for statistic, (layers, value) in statistics.items():
        for place, layer in enumerate(layers):
            columns[f"{statistic}/{layer}"] = _course(functools.partial(value, place))
    return _table(columns)


def _dense(count: int) -> list[str]:
    return [*(f"dense_{i}" for i in range(1, count)), "output"]


def _vanishing() -> str:
    def norm(place: int, epoch: int) -> float:
        return 0.4 * 10 ** (-0.62 * (9 - place)) * _wave(epoch, place, 0.5)

    return _telemetry(_level, grad_norm=(_dense(10), norm))


def _exploding() -> str:
    def norm(place: int, epoch: int) -> float:
        return (0.2 + 0.1 * place) * 10 ** (0.22 * max(epoch - 12, 0)) * _wave(epoch, place, 0.4)

    def loss(epoch: int) -> float:
        return _falling(min(epoch, 14)) * 1.14 ** max(epoch - 14, 0)

    return _telemetry(loss, grad_norm=(_dense(6), norm))


def _dying() -> str:
    ends = (0.22, 0.93, 0.97, 0.3)

    def share(place: int, epoch: int) -> float:
        grown = 0.12 + (ends[place] - 0.12) / (1 + math.exp(-(epoch - 9) / 2))
        return round(32 * min(1.0, grown * _wave(epoch, place, 0.03))) / 32

    def loss(epoch: int) -> float:
        return _falling(min(epoch, 8))

    return _telemetry(loss, dead_fraction=(("dense_1", "dense_2", "dense_3", "dense_4"), share))


def _saturated() -> str:
    levels = (0.96, 0.91, 0.68, 0.24)

    def share(place: int, epoch: int) -> float:
        return min(1.0, levels[place] * _wave(epoch, place, 0.04))

    return _telemetry(_level, saturated_fraction=(("tanh_1", "tanh_2", "tanh_3", "tanh_4"), share))


def _symmetric() -> str:
    def share(place: int, _: int) -> float:
        return (1.0, 1.0, 0.0)[place]

    return _telemetry(_level, duplicate_fraction=(_dense(3), share))


def _frozen() -> str:
    layers = ("conv_1", "conv_2", "conv_3", "dense", "output")

    def loss(epoch: int) -> float:
        return 0.5 + _falling(epoch)

    def norm(place: int, epoch: int) -> float:
        return 0.3 * _wave(epoch, place, 0.5)

    def step(place: int, epoch: int) -> float:
        return (0.0, 0.0, 2e-3, 4e-3, 6e-3)[place] * _wave(epoch, place, 0.5)

    return _telemetry(loss, grad_norm=(layers, norm), update_ratio=(layers, step))


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
