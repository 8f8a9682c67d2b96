"""Reports of every shape that the contracts allow, for Hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from diagnose.finding import (
    Comparison,
    Evidence,
    Finding,
    Interval,
    LayerTable,
    Outcome,
    OutcomeKind,
    Point,
    Severity,
)
from diagnose.fix import OPERATIONS, PATHS, Applicability, Change, Fix
from diagnose.report import Best, Report, RunReport, SourceError
from diagnose.run import LAYER_STATISTICS, Direction, LayerStatistic, Part, Run, Series, Split

CHECKS = ("overfitting", "generalization-gap", "nan-loss", "dying-relu", "plateau")
#: Every character there is, lone surrogates and control characters among them.
texts = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["loss", "\x1b[31mred", "[red]x[/red]", "<img src=x onerror=alert(1)>", "a|b`c", "::error::x", "\udcff", "損失"]
)
numbers = st.floats() | st.sampled_from([0.0, 1.0, 1e-300, 1e300, -1e300])
epochs = st.integers(0, 10_000).map(float) | st.floats(0, 1e4)


@st.composite
def series(draw: st.DrawFn) -> Series:
    values = draw(st.lists(numbers, max_size=8))
    first = draw(st.integers(0, 5))
    return Series(
        name=draw(texts),
        quantity=draw(st.sampled_from(["loss", "accuracy", "learning_rate", "time"])),
        split=draw(st.sampled_from(Split)),
        epochs=np.arange(first, first + len(values), dtype=float),
        values=np.array(values, dtype=float),
        direction=draw(st.none() | st.sampled_from(Direction)),
        output=draw(st.sampled_from(["", "head"])),
    )


@st.composite
def statistics(draw: st.DrawFn) -> LayerStatistic:
    layers = tuple(draw(st.lists(texts, max_size=4)))
    length = draw(st.integers(0, 4))
    cells = length * len(layers)
    values = draw(st.lists(numbers, min_size=cells, max_size=cells))
    return LayerStatistic(
        name=draw(st.sampled_from(LAYER_STATISTICS)),
        layers=layers,
        epochs=np.arange(length, dtype=float),
        values=np.array(values, dtype=float).reshape(length, len(layers)),
    )


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    common = {
        "label": draw(texts),
        "value": draw(numbers),
        "threshold": draw(st.none() | numbers),
        "unit": draw(st.sampled_from(["", "%", "σ"])),
    }
    kind = draw(st.sampled_from([Point, Interval, Comparison, LayerTable]))
    if kind is Point:
        return Point(**common, series=draw(texts), epoch=draw(epochs))
    if kind is Interval:
        return Interval(**common, series=draw(texts), start=draw(epochs), end=draw(epochs))
    if kind is Comparison:
        return Comparison(
            **common,
            left_name=draw(texts),
            left=draw(numbers),
            right_name=draw(texts),
            right=draw(numbers),
            epoch=draw(st.none() | epochs),
        )
    rows = tuple(draw(st.lists(st.tuples(texts, numbers), max_size=7)))
    return LayerTable(**common, statistic="grad_norm", epoch=draw(epochs), rows=rows)


changes = st.builds(
    Change,
    path=st.sampled_from(sorted(PATHS)),
    op=st.sampled_from(sorted(OPERATIONS)),
    value=numbers | st.booleans() | texts,
    low=st.none() | numbers,
    high=st.none() | numbers,
)
fixes = st.builds(
    Fix,
    id=st.sampled_from(["add-dropout", "lower-learning-rate"]),
    title=texts,
    why=texts,
    cost=texts,
    applicability=st.sampled_from(Applicability),
    changes=st.lists(changes, max_size=2).map(tuple),
    code=texts,
    addresses=texts,
)
findings = st.builds(
    Finding,
    severity=st.sampled_from(Severity),
    confidence=st.floats(0, 1),
    summary=texts,
    evidence=st.lists(evidence(), min_size=1, max_size=2).map(tuple),
    fixes=st.lists(fixes, max_size=2).map(tuple),
    epoch=st.none() | epochs,
    layers=st.lists(texts, max_size=2).map(tuple),
    check=st.sampled_from(CHECKS),
    caused_by=st.lists(st.sampled_from(CHECKS), max_size=2, unique=True).map(tuple),
)
outcomes = st.builds(Outcome, check=st.sampled_from(CHECKS), kind=st.sampled_from(OutcomeKind), reason=texts)
runs = st.builds(
    Run,
    source=texts,
    format=st.just("keras-csv"),
    series=st.lists(series(), max_size=4).map(tuple),
    layers=st.lists(statistics(), max_size=2).map(lambda made: {s.name: s for s in made}),
    axis=st.sampled_from(["epoch", "step"]),
    part=st.none() | st.builds(Part, index=st.just(1), of=st.just(3), label=texts),
    restarts=st.lists(epochs, max_size=2).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
)
run_reports = st.builds(
    RunReport,
    run=runs,
    verdict=st.sampled_from(["healthy", "info", "warning", "critical", "unknown"]),
    summary=texts,
    best=st.none() | st.builds(Best, epoch=epochs, metric=texts, value=numbers),
    findings=st.lists(findings, max_size=3).map(tuple),
    outcomes=st.lists(outcomes, max_size=3).map(tuple),
)
reports = st.builds(
    Report,
    runs=st.lists(run_reports, max_size=3).map(tuple),
    errors=st.lists(st.builds(SourceError, source=texts, error=texts), max_size=2).map(tuple),
)
