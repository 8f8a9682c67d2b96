"""What every check must keep to, whoever wrote it (docs/decisions: the design of checks)."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import math
import re
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnose import discovery
from diagnose.analyze import analyze
from diagnose.check import LoadedCheck, load_checks
from diagnose.finding import Finding, OutcomeKind, Severity
from diagnose.fix import OPERATIONS, PATHS, Applicability, Fix
from diagnose.report import Report
from diagnose.run import LAYER_STATISTICS, LayerStatistic, Part, Run
from tests import blueprints, telemetry
from tests.curves import decay, healthy, line, noise, path, run, turning, wobble

#: The names are fixed; more are welcome.
VOCABULARY = {
    "curves": {
        "nan-loss", "divergence", "not-learning", "underfitting", "overfitting", "generalization-gap",
        "slow-convergence", "oscillating-loss", "plateau", "overtraining", "noisy-validation",
        "validation-better-than-training", "metric-stuck", "impossible-loss", "loss-metric-disagreement",
        "learning-rate-too-high", "learning-rate-too-low",
    },
    "layers": {
        "vanishing-gradient", "exploding-gradient", "dying-relu", "saturated-activation", "symmetric-weights",
        "frozen-weights",
    },
    "model": {
        "initializer-activation-mismatch", "constant-initializer", "output-activation-mismatch",
        "output-units-mismatch", "missing-nonlinearity", "non-differentiable-activation", "pooling-collapse",
        "receptive-field", "excess-capacity", "bias-before-batch-norm", "misplaced-dropout", "large-batch",
    },
    "data": {
        "unscaled-inputs", "non-finite-inputs", "class-imbalance", "label-range", "distribution-shift",
        "train-validation-leak", "augmented-evaluation", "uninformative-inputs",
    },
}  # fmt: skip
SECTIONS = ("What it detects", "How it is detected", "Why it matters", "How to fix", "References")

CURVES = [c.id for c in load_checks() if c.family == "curves"]

each_check = pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)


def module_of(check: LoadedCheck) -> ModuleType:
    return sys.modules[check.function.__module__]


# -- the declaration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", VOCABULARY)
def test_the_vocabulary_is_there(family):
    assert VOCABULARY[family] <= {c.id for c in load_checks() if c.family == family}


def test_ids_are_unique_and_plain():
    ids = [c.id for c in load_checks()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id) for id in ids)


@each_check
def test_the_docstring_is_a_page(check):
    headings = re.findall(r"^(.+)\n(-{3,})$", check.doc, flags=re.MULTILINE)
    assert tuple(title for title, _ in headings) == SECTIONS
    assert all(len(title) == len(rule) for title, rule in headings)
    first = check.doc.strip().splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 90
    bodies = re.split(r"^.+\n-{3,}$", check.doc, flags=re.MULTILINE)[1:]
    assert all(len(body.split()) >= 3 for body in bodies)


@each_check
def test_the_page_names_no_option_that_is_gone(check):
    how = check.doc.partition("How it is detected")[2].partition("Why it matters")[0]
    named = set(re.findall(r"(?<!`)`([a-z_]+)`(?!`)", how))
    severities = {severity.value for severity in Severity}
    assert named - severities <= {f.name for f in dataclasses.fields(check.options_class)}


@each_check
def test_every_option_is_a_threshold_with_unit_and_source(check):
    for field in dataclasses.fields(check.options_class):
        assert set(field.metadata) == {"unit", "source", "help"}, field.name
        assert isinstance(field.metadata["unit"], str)
        assert field.metadata["source"].strip()
        assert field.metadata["help"].strip()
        assert isinstance(field.default, int | float)
        assert not isinstance(field.default, bool)
        assert math.isfinite(field.default)
    assert dataclasses.is_dataclass(check.options_class)
    assert check.options_class.__dataclass_params__.frozen


@each_check
def test_every_option_is_used(check):
    tree = ast.parse(inspect.getsource(module_of(check)))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {f.name for f in dataclasses.fields(check.options_class)} <= used


@each_check
def test_a_check_reads_and_prints_nothing_and_draws_no_lots(check):
    tree = ast.parse(inspect.getsource(module_of(check)))
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)
    }
    assert not names & {"open", "print", "input", "random", "default_rng", "environ"}


@each_check
def test_its_needs_can_be_met_by_a_long_and_complete_log(check):
    assert check.declaration.needs.missing(complete()) == ""


# -- sick runs ---------------------------------------------------------------------------------------------------------


def complete(n: int = 60) -> Run:
    """A run that logged everything."""
    layers = tuple(telemetry.names(4))
    epochs = np.arange(n, dtype=float)
    values = 0.3 + np.abs(noise(n * 4, 0.01)).reshape(n, 4)
    statistics = {name: LayerStatistic(name, layers, epochs, values) for name in LAYER_STATISTICS}
    curves = {s.name: s.values for s in healthy(n).series}
    trained = run(**curves, learning_rate=decay(n, 1e-2, 1e-4), config={"classes": 10}, layers=statistics)
    before = {"model": blueprints.classifier(batch_size=32), "data": blueprints.data(), "dry_run": blueprints.dry_run()}
    return dataclasses.replace(trained, **before)


def sick_curves() -> Iterator[tuple[str, Run]]:
    n = 60
    ten = {"classes": 10}
    flat = np.full(n, 0.3)
    yield "nan-loss", run(loss=[1.0, math.nan, math.nan])
    yield "divergence", run(loss=path(n, (0, 1.0), (0.4, 0.5), (0.6, 5.0), (1, 5.0)) + noise(n, 1e-3))
    yield "not-learning", run(loss=math.log(10) + noise(n, 1e-3), accuracy=0.1 + noise(n, 1e-3, 1), config=ten)
    yield "underfitting", run(loss=decay(n, 2.3, 1.9), accuracy=flat, val_accuracy=flat, config=ten)
    yield "overfitting", run(loss=decay(n), val_loss=turning(n, 0.6) + noise(n, 1e-3))
    yield "generalization-gap", run(accuracy=[0.98], test_accuracy=[0.54])
    yield "slow-convergence", run(loss=line(n, 1.0, 0.7) + noise(n, 1e-4))
    yield "oscillating-loss", run(loss=1 + wobble(n, 0.3))
    yield "plateau", run(loss=path(n, (0, 1.0), (0.2, 0.95), (1, 0.95)) + noise(n, 1e-5))
    yield "overtraining", run(loss=decay(n, tau=2), val_loss=path(n, (0, 1.0), (0.2, 0.5), (1, 0.51)))
    yield "noisy-validation", run(loss=decay(n), val_loss=1 + wobble(n, 0.5))
    yield "validation-better-than-training", run(loss=decay(n, 2.0, 0.5), val_loss=decay(n, 1.5, 0.3))
    yield "metric-stuck", run(loss=line(n, 1.0, 0.5), accuracy=np.full(n, 0.5))
    yield "impossible-loss", run(loss=line(n, 1.0, -1.0), accuracy=flat)
    yield (
        "loss-metric-disagreement",
        run(val_loss=turning(n, 0.6) + noise(n, 1e-3), val_accuracy=line(n, 0.5, 0.9) + noise(n, 1e-3, 1)),
    )
    yield "learning-rate-too-high", run(loss=[1.0, 2.0, 50.0, math.inf])
    yield "learning-rate-too-low", run(loss=line(n, 1.0, 0.95) + noise(n, 1e-5))
    yield "too-short", run(loss=[1.0])
    yield "restarted-log", dataclasses.replace(healthy(), part=Part(1, 3), restarts=(20.0,))


def sick_layers() -> Iterator[tuple[str, Run]]:
    n = 40
    still = np.log(10) + noise(n, 1e-3)
    layers = tuple(telemetry.names(6))
    epochs = np.arange(n, dtype=float)

    def logged(**values: np.ndarray) -> Run:
        statistics = {
            k: LayerStatistic(k, layers, epochs, np.broadcast_to(v, (n, 6)).copy()) for k, v in values.items()
        }
        return run(loss=still, layers=statistics)

    fading = np.logspace(-9, -1, 6)
    yield "vanishing-gradient", logged(grad_norm=fading, update_ratio=fading)
    yield "exploding-gradient", logged(grad_norm=np.logspace(-1, 9, n)[:, None], update_ratio=np.full((n, 1), 0.5))
    yield "dying-relu", logged(dead_fraction=np.full(6, 0.99), grad_norm=np.full(6, 0.1))
    yield "saturated-activation", logged(saturated_fraction=np.full(6, 0.99), grad_norm=np.full(6, 0.1))
    yield "symmetric-weights", logged(duplicate_fraction=np.full(6, 1.0), grad_norm=np.full(6, 0.1))
    yield "frozen-weights", logged(update_ratio=np.zeros(6), grad_norm=np.full(6, 0.1))


def sick_before() -> Iterator[tuple[str, Run]]:
    """What the tests of the checks of models and data call ``SICK``."""
    for family, module in discovery.built_in():
        if family in ("model", "data"):
            yield discovery.check_id(module), importlib.import_module(f"tests.checks.test_{module}").SICK


SICK = dict([*sick_curves(), *sick_layers(), *sick_before()])


def findings_of(check: LoadedCheck, a_run: Run) -> list[Finding]:
    with np.errstate(all="ignore"):
        return list(check.function(a_run, check.options({})))


@each_check
def test_a_sick_run_shows_it(check):
    assert findings_of(check, SICK[check.id]), f"no run in SICK makes {check.id} speak"


@each_check
def test_a_finding_is_one_sentence_with_numbers_and_evidence(check):
    for finding in findings_of(check, SICK[check.id]):
        assert "\n" not in finding.summary
        assert finding.summary[-1] in ".!?"
        assert len(finding.summary) <= 300
        assert finding.check == ""  # for analyze to fill in
        assert finding.caused_by == ()
        for evidence in finding.evidence:
            assert evidence.label
            assert not math.isnan(evidence.value)


@each_check
def test_fixes_are_data(check):
    for finding in findings_of(check, SICK[check.id]):
        assert check.id == "restarted-log" or finding.fixes
        assert len({fix.id for fix in finding.fixes}) == len(finding.fixes)
        for fix in finding.fixes:
            assert_valid(fix)


def assert_valid(fix: Fix) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fix.id)
    assert fix.title
    assert fix.why
    assert fix.cost
    assert isinstance(fix.applicability, Applicability)
    assert (fix.applicability == Applicability.MANUAL) == (not fix.changes and not fix.edits)
    for change in fix.changes:
        assert change.path in PATHS
        assert change.op in OPERATIONS
        for bound in (change.low, change.high):
            assert bound is None or math.isfinite(bound)
    ast.parse(fix.code)


@each_check
def test_a_check_is_pure(check):
    """The same twice, and from arrays that cannot be written to."""
    for a_run in (SICK[check.id], complete()):
        for series in a_run.series:
            series.values.flags.writeable = series.epochs.flags.writeable = False
        for statistic in a_run.layers.values():
            statistic.values.flags.writeable = statistic.epochs.flags.writeable = False
        assert findings_of(check, a_run) == findings_of(check, a_run)


@pytest.mark.parametrize("id", CURVES)
@pytest.mark.parametrize("n", [3, 10_000])
def test_short_and_long_runs_of_every_kind_can_be_looked_at(id, n):
    """The sick run, cut or stretched to n epochs."""
    sick = SICK[id]
    longest = max(len(s) for s in sick.series)
    at = np.linspace(0, longest - 1, n).round().astype(int)
    curves = {s.name: s.values[np.minimum(at, len(s) - 1)] for s in sick.series}
    report = strictly(dataclasses.replace(run(**curves), config=sick.config))
    assert errors_of(report) == []


# -- hostile runs ------------------------------------------------------------------------------------------------------

ODD = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1e-300, -1e-300, 1e300, -1e300, 5e-324, 0.6931])
ORDINARY = st.floats(-10, 10, allow_nan=False)
ANY = st.floats(-1e300, 1e300, allow_nan=False)


@st.composite
def curves(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.integers(0, 60))
    kind = draw(st.sampled_from(["constant", "ordinary", "any", "odd", "trend", "settled"]))
    if kind == "constant":
        return np.full(n, draw(st.one_of(ODD, ANY)))
    if kind == "trend":
        unit = draw(st.sampled_from([1e-300, 1e-9, 1.0, 1e9, 1e150, -1.0]))
        values = unit * (decay(n) if n else np.empty(0))
        if n and draw(st.booleans()):
            values[draw(st.integers(0, n - 1)) :] = draw(ODD)
        return values
    if kind == "settled":  # moves, then stands still or is no number any more
        values = draw(st.sampled_from([0.01, 1.0, -1.0])) * noise(n, 1.0, draw(st.integers(0, 99)))
        values[draw(st.integers(0, n)) :] = draw(st.one_of(ODD, ORDINARY))
        return values
    elements = {"ordinary": ORDINARY, "any": ANY, "odd": st.one_of(ODD, ORDINARY)}[kind]
    few = draw(st.lists(elements, min_size=min(n, 1), max_size=min(n, 12)))
    seed = draw(st.integers(0, 2**16))
    return np.random.default_rng(seed).choice(few, n) if few else np.empty(0)


ROLES = (
    "loss", "val_loss", "test_loss", "accuracy", "val_accuracy", "test_accuracy", "learning_rate", "mae", "val_mae",
    "r2", "auc", "dice",
)  # fmt: skip


@st.composite
def hostile_runs(draw: st.DrawFn) -> Run:
    roles = draw(st.sets(st.sampled_from(ROLES), max_size=6))
    logged = {role: draw(curves()) for role in sorted(roles)}
    config = draw(
        st.sampled_from([{}, {"classes": 10}, {"classes": None}, {"loss": 3}, {"loss": "mse", "classes": "x"}])
    )
    layers = {}
    if draw(st.booleans()):
        depth, n = draw(st.integers(1, 5)), draw(st.integers(1, 40))
        for name in draw(st.sets(st.sampled_from(LAYER_STATISTICS), min_size=1)):
            few = draw(st.lists(st.one_of(ODD, ORDINARY.map(abs)), min_size=1, max_size=8))
            values = np.random.default_rng(draw(st.integers(0, 99))).choice(few, (n, depth))
            layers[name] = LayerStatistic(name, tuple(telemetry.names(depth)), np.arange(float(n)), values)
    return run(
        **logged,
        config=config,
        layers=layers,
        scale=draw(st.sampled_from([1.0, 100.0])),
        first=draw(st.sampled_from([0, 1])),
    )


def strictly(a_run: Run) -> Report:
    """Analyze with every floating-point flag and every warning an error."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        return analyze(a_run)


def errors_of(report: Report) -> list[tuple[str, str]]:
    return [(o.check, o.reason) for o in report.outcomes if o.kind == OutcomeKind.ERROR]


#: Runs that broke a check once.
MENDED = {
    "metric-stuck: no loss since": run(
        loss=[1.0, 0.9, 0.8, 0.7, 0.6, math.nan], accuracy=[*line(7, 0.1, 0.4), *[0.1] * 8]
    ),
    "metric-stuck: from zero": run(loss=[0.0, -1.0, -2.0, -3.0, -4.0], accuracy=[0.5] * 5),
    "learning-rate-too-low: NaN": run(loss=[0.0] * 5, learning_rate=[math.nan] * 5),
    "learning-rate-too-low: below zero": run(loss=[0.0] * 5, learning_rate=[-1.0] * 5),
    "not-learning: accuracy that is no number": run(
        loss=[1.0] * 6, accuracy=[math.nan] * 6, val_accuracy=[0.1] * 6, config={"classes": 10}
    ),
    "not-learning: 1 / 5e-324": run(loss=[0.0] * 3, accuracy=[5e-324]),
}


@pytest.mark.parametrize("a_run", MENDED.values(), ids=MENDED)
def test_no_check_breaks_again_on_a_run_that_broke_it_once(a_run):
    assert errors_of(strictly(a_run)) == []


@given(hostile_runs())
@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_no_check_breaks_on_a_hostile_run(a_run):
    report = strictly(a_run)
    assert errors_of(report) == []
    for finding in report.findings:
        assert finding.summary
        assert not re.search(r"\bnan\b", finding.summary)
        assert finding.epoch is None or math.isfinite(finding.epoch)
        if finding.check in CURVES:
            assert not any(math.isnan(evidence.value) for evidence in finding.evidence), finding


# -- units -------------------------------------------------------------------------------------------------------------

#: Those that compare a loss with an absolute number: ln K, or a rounding error of logs.
ABSOLUTE = {"not-learning", "impossible-loss"}


@pytest.mark.parametrize("scale", [1e9, 1e-6])
@pytest.mark.parametrize("id", [id for id in CURVES if id not in ABSOLUTE])
def test_the_unit_of_the_loss_does_not_matter(id, scale):
    """A squared error in the square of cents or of millions: the same findings, with the same numbers."""
    sick = SICK[id]
    (check,) = (c for c in load_checks() if c.id == id)
    other = dataclasses.replace(
        sick, series=tuple(dataclasses.replace(s, values=s.values * (scale if s.is_loss else 1)) for s in sick.series)
    )
    ours, theirs = findings_of(check, sick), findings_of(check, other)
    assert ours
    assert [(f.severity, f.epoch) for f in ours] == [(f.severity, f.epoch) for f in theirs]
    for mine, its in zip(ours, theirs, strict=True):
        assert mine.confidence == pytest.approx(its.confidence)
        assert [e.value for e in mine.evidence] == pytest.approx([e.value for e in its.evidence], rel=1e-3)
