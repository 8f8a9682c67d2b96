"""What the page of a check shows: a run in which it fires, recorded or made here by hand, or the code of an example.

The choice is the same on every machine: the lesson on the check comes first, then recorded runs labelled with it as
their symptom, then the other examples, then any other recorded run. Made by hand is only what nobody has recorded: a
log with several trainings. Checks that look at what is there before a training are shown by the example that is named
after them, as text: nothing of it is run, for the documentation is made without TensorFlow.
"""

from __future__ import annotations

import ast
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
LESSONS = ROOT / "examples" / "layers" / "logs"
AUDIT = Path("examples", "audit")

RECORDED = "recorded for the benchmark"
EXAMPLE = "one of the examples"
LESSON = "one of the [examples](../../examples/layers/{name}.py)"
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
class Example:
    """Code in which a check fires before any training.

    Parameters
    ----------
    path
        Its file, below the root of the repository.
    about
        What its docstring says, in one paragraph.
    code
        Its source without the docstring.
    """

    path: str
    about: str
    code: str


def example(check: str) -> Example | None:
    """Return the example that is named after a check; None where there is none."""
    path = AUDIT / f"{check.replace('-', '_')}.py"
    if not (ROOT / path).is_file():
        return None
    source = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    about = ast.get_docstring(tree) or ""
    end = tree.body[0].end_lineno if about else 0
    return Example(path.as_posix(), " ".join(about.split()), "\n".join(source.splitlines()[end:]).strip("\n"))


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
    lessons, labelled = ([c for c in runs if check in c.symptoms] for runs in (_lessons(), _labelled()))
    for candidates in (lessons, labelled, _examples(), _labelled(), _made(check)):
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


@functools.cache
def _lessons() -> tuple[_Candidate, ...]:
    return tuple(map(_lesson, sorted(LESSONS.glob("*.csv"))))


def _lesson(log: Path) -> _Candidate:
    """Return the run of a lesson: it is named after the check that it shows."""
    causes = {
        "vanishing_gradient": "ten sigmoid layers",
        "exploding_gradient": "a recurrent layer that goes through 64 steps, its gradient not clipped",
        "dying_relu": "a penalty on the activations of the third layer that is a thousand times too strong",
        "saturated_activation": "inputs that were not scaled and weights drawn too large, in six tanh layers",
        "symmetric_weights": "every weight the same at the start",
        "frozen_weights": "outputs rounded behind the second layer",
    }
    shows = log.stem.replace("_", "-")
    origin = LESSON.format(name=log.stem)
    return _Candidate(log.stem, origin, causes.get(log.stem, log.stem), (shows,), analyze(read(log)[0]))


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


def _resumed() -> str:
    epochs = [*range(18), *range(12)]
    loss = _course(_falling)
    held = [v + 0.08 + 0.004 * math.sin(2.3 * e) for e, v in enumerate(loss)]
    return _table({"epoch": epochs, "loss": loss, "val_loss": held})


#: Check -> what was done to the run, and how it is made.
BY_HAND: dict[str, tuple[str, Callable[[], str]]] = {
    "restarted-log": ("a training taken up again after epoch 17, its epochs counted from 0 again", _resumed),
}
