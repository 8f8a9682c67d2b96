"""From a run to its report: selection, outcomes, causes, verdict."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from diagnose.analyze import Selection, analyze, best_epoch
from diagnose.blueprint import Initializer
from diagnose.check import Check, LoadedCheck, Needs, load_checks
from diagnose.finding import Finding, OutcomeKind, Point, Severity
from diagnose.run import LayerStatistic, Run
from tests import blueprints
from tests.curves import decay, healthy, line, noise, run, turning

ALL = {check.id for check in load_checks()}


# -- checks made for the purpose ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Limit:
    limit: float = 1.0


def a_finding(severity: Severity = Severity.WARNING, confidence: float = 0.5, epoch: float | None = None) -> Finding:
    evidence = (Point(label="x", value=1.0, series="loss", epoch=1.0),)
    return Finding(severity=severity, confidence=confidence, summary="Seen.", evidence=evidence, epoch=epoch)


def a_check(id: str, *found: Finding, **declared) -> LoadedCheck:
    return LoadedCheck(id, "curves", Check(**declared), Limit, lambda *_: found, id)


def outcomes(a_run: Run, selection: Selection | None = None, **options) -> dict[str, OutcomeKind]:
    return {o.check: o.kind for o in analyze(a_run, selection or Selection(), **options).outcomes}


# -- selection ---------------------------------------------------------------------------------------------------------


def looked(**names) -> set[str]:
    selection = Selection(**{k: frozenset(v) for k, v in names.items()})
    selection.validate()
    return {check for check, kind in outcomes(healthy(), selection).items() if kind != OutcomeKind.IGNORED}


def test_every_check_of_a_log_looks_unless_told_otherwise():
    assert looked() == {c.id for c in load_checks(("curves", "layers"))}


def test_checks_are_selected_by_id_and_by_family():
    assert looked(select=["overfitting", "plateau"]) == {"overfitting", "plateau"}
    assert looked(select=["layers"]) == {c.id for c in load_checks() if c.family == "layers"}


def test_ignoring_wins_over_selecting():
    curves = {c.id for c in load_checks() if c.family == "curves"}
    assert looked(select=["curves"], ignore=["plateau"]) == curves - {"plateau"}
    assert looked(ignore=["layers"]) == curves
    assert looked(select=["plateau"], ignore=["curves"]) == set()


@pytest.mark.parametrize("place", ["select", "ignore", "options"])
def test_a_name_that_is_no_check_is_refused_with_the_nearest(place):
    names = {"overfiting": {}} if place == "options" else frozenset({"overfiting"})
    with pytest.raises(ValueError, match=r"no check 'overfiting'; did you mean overfitting\?"):
        Selection(**{place: names}).validate()


def test_a_name_that_is_like_no_other_is_refused_without_a_guess():
    with pytest.raises(ValueError, match=r"no check 'xyzzy' \(diagnose --list-checks"):
        Selection(select=frozenset({"xyzzy"})).validate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rize": 1.0}, "overfitting has no option 'rize'; it has .*rise"),
        ({"rise": "1"}, "option rise of check overfitting must be a number"),
        ({"rise": True}, "must be a number"),
        ({"rise": None}, "must be a number"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Selection(options={"overfitting": options}).validate()


def test_an_option_moves_a_threshold():
    sick = run(loss=decay(60), val_loss=turning(60, 0.5) + noise(60, 1e-3))
    assert outcomes(sick)["overfitting"] == OutcomeKind.FOUND
    patient = Selection(options={"overfitting": {"rise": 10, "small_rise": 10}})
    assert outcomes(sick, patient)["overfitting"] == OutcomeKind.PASSED


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_each_check_that_has_something_to_look_at_has_one_outcome_in_order():
    report = analyze(healthy())
    assert [o.check for o in report.outcomes] == [c.id for c in load_checks(("curves", "layers"))]


def test_what_is_not_trained_yet_is_not_looked_at_as_if_it_were():
    planned = Run("model.keras", "keras-model", model=blueprints.classifier(), is_planned=True)
    report = analyze(planned)
    assert {o.check for o in report.outcomes} == {c.id for c in load_checks(("model",))}
    assert report.summary == "No fault found before the training."


def test_whoever_asks_for_a_check_by_name_is_told_why_it_cannot_look():
    report = analyze(healthy(), Selection(select=frozenset(["pooling-collapse"])))
    (outcome,) = (o for o in report.outcomes if o.kind != OutcomeKind.IGNORED)
    assert outcome.check == "pooling-collapse"
    assert outcome.kind == OutcomeKind.NOT_APPLICABLE
    assert "--model MODEL" in outcome.reason


def test_every_outcome():
    def broken(_run: Run, _options: Limit) -> Iterator[Finding]:
        yield a_finding()
        raise ZeroDivisionError("no epochs")

    checks = [
        a_check("finds", a_finding()),
        a_check("passes"),
        a_check("lacks", a_finding(), needs=Needs(any_of=(("val_loss",),))),
        a_check("left-out", a_finding()),
        dataclasses.replace(a_check("breaks"), function=broken),
    ]
    report = analyze(run(loss=decay(9)), Selection(ignore=frozenset({"left-out"})), checks)
    assert [(o.check, o.kind) for o in report.outcomes] == [
        ("finds", "found"),
        ("passes", "passed"),
        ("lacks", "not_applicable"),
        ("left-out", "ignored"),
        ("breaks", "error"),
    ]
    reasons = {o.check: o.reason for o in report.outcomes}
    assert "log the" not in reasons["passes"]
    assert "val_loss" in reasons["lacks"]
    assert reasons["breaks"] == "ZeroDivisionError: no epochs"
    assert [f.check for f in report.findings] == ["finds"]  # what a check said before it broke does not count


@pytest.mark.parametrize(
    ("needs", "curves", "reason"),
    [
        (Needs(any_of=(("loss",),)), {}, "no loss in the log; log the training loss of every epoch"),
        (Needs(any_of=(("loss", "val_loss"),)), {"loss": decay(9)}, "no val_loss in the log; pass validation_data"),
        (Needs(any_of=(("loss",), ("metric",))), {"accuracy": decay(9)}, ""),
        (Needs(any_of=(("loss",),), min_epochs=10), {"loss": decay(9)}, "needs 10 epochs, the log has 9"),
        (Needs(any_of=(("loss", "mae"),), min_epochs=5), {"loss": decay(9), "mae": decay(3)}, "the log has 3"),
        (Needs(any_of=(("mae",),)), {"loss": decay(9)}, "no mae in the log; log mae"),
        (Needs(statistics=("grad_norm",)), {"loss": decay(9)}, "no grad_norm in the log; the callback Monitor"),
    ],
)
def test_what_is_missing_is_told_with_how_to_log_it(needs, curves, reason):
    missing = needs.missing(run(**curves))
    assert reason in missing
    assert bool(missing) == bool(reason)


def test_a_curve_without_a_value_is_missing_too():
    assert "no loss in the log" in Needs(any_of=(("loss",),)).missing(run(loss=[]))


def test_while_training_goes_on_the_end_is_not_judged():
    kinds = outcomes(healthy(), live=True)
    waiting = {c.id for c in load_checks() if not c.declaration.live}
    assert waiting
    assert {check for check, kind in kinds.items() if kind == OutcomeKind.NOT_APPLICABLE} >= waiting
    assert all(outcomes(healthy())[check] != OutcomeKind.NOT_APPLICABLE for check in waiting)


# -- causes ------------------------------------------------------------------------------------------------------------


def dead_layers(n: int = 40) -> dict[str, LayerStatistic]:
    """Telemetry of a network that is dead from the third epoch on."""
    layers = ("dense", "dense_1", "dense_2")
    dead = np.tile(np.where(np.arange(n)[:, None] < 2, 0.1, 1.0), (1, 3))
    gradient = np.where(dead == 1.0, 0.0, 0.5)
    epochs = np.arange(n, dtype=float)
    return {
        "dead_fraction": LayerStatistic("dead_fraction", layers, epochs, dead),
        "grad_norm": LayerStatistic("grad_norm", layers, epochs, gradient),
    }


def test_a_network_that_died_is_why_it_does_not_learn():
    n = 40
    sick = run(
        loss=np.log(10) + noise(n, 0.002),
        accuracy=0.1 + noise(n, 0.002, 1),
        config={"classes": 10},
        layers=dead_layers(n),
    )
    report = analyze(sick)
    assert report.verdict == "critical"
    leading = report.findings[0]
    assert (leading.check, leading.caused_by) == ("dying-relu", ())
    (flat,) = (f for f in report.findings if f.check == "not-learning")
    assert "dying-relu" in flat.caused_by
    assert report.summary.startswith(leading.summary)
    assert "not-learning" in report.summary.partition("Also found:")[2]


def test_a_chain_names_its_start_first():
    checks = [
        a_check("end", a_finding(Severity.CRITICAL, 0.9)),
        a_check("middle", a_finding(Severity.CRITICAL, 0.9), explains=("end",)),
        a_check("zstart", a_finding(Severity.CRITICAL, 0.1), explains=("middle", "end")),
    ]
    report = analyze(run(loss=decay(9)), checks=checks)
    assert [(f.check, f.caused_by) for f in report.findings] == [
        ("zstart", ()),
        ("end", ("zstart", "middle")),
        ("middle", ("zstart",)),
    ]


def test_what_is_not_there_explains_nothing():
    checks = [a_check("end", a_finding()), a_check("start", explains=("end",))]
    (finding,) = analyze(run(loss=decay(9)), checks=checks).findings
    assert finding.caused_by == ()


@pytest.mark.parametrize(("cause", "linked"), [("info", False), ("warning", True), ("critical", True)])
def test_a_trifle_is_not_why_a_run_is_lost(cause, linked):
    checks = [
        a_check("end", a_finding(Severity.CRITICAL)),
        a_check("start", a_finding(Severity(cause)), explains=("end",)),
    ]
    (end,) = (f for f in analyze(run(loss=decay(9)), checks=checks).findings if f.check == "end")
    assert bool(end.caused_by) == linked


def test_findings_are_ordered_by_severity_and_confidence_and_infos_come_last():
    checks = [
        a_check("info", a_finding(Severity.INFO, 1.0)),
        a_check("unsure", a_finding(Severity.WARNING, 0.5)),
        a_check("sure", a_finding(Severity.WARNING, 0.9)),
        a_check("worst", a_finding(Severity.CRITICAL, 0.3)),
    ]
    report = analyze(run(loss=decay(9)), checks=checks)
    assert [f.check for f in report.findings] == ["worst", "sure", "unsure", "info"]


def test_what_explains_points_at_checks_that_are_there():
    for check in load_checks():
        assert set(check.declaration.explains) <= ALL
        assert check.id not in check.declaration.explains


def test_what_a_check_explains_is_named_once():
    named = [(check.id, effect) for check in load_checks() for effect in check.declaration.explains]
    assert len(named) == len(set(named))


def test_nothing_explains_itself_in_a_circle():
    explains = {c.id: c.declaration.explains for c in load_checks()}
    state: dict[str, str] = {}

    def visit(check: str, trail: tuple[str, ...]) -> None:
        assert state.get(check) != "open", " -> ".join((*trail, check))
        if check not in state:
            state[check] = "open"
            for effect in explains[check]:
                visit(effect, (*trail, check))
            state[check] = "done"

    for check in explains:
        visit(check, ())
    assert set(state) == ALL


def test_of_two_findings_only_one_explains_the_other():
    report = analyze(run(loss=line(60, 1.0, 0.99) + noise(60, 1e-5)))
    causes = {f.check: f.caused_by for f in report.findings}
    assert {"not-learning", "learning-rate-too-low"} <= set(causes)
    assert not ("not-learning" in causes["learning-rate-too-low"] and "learning-rate-too-low" in causes["not-learning"])


# -- verdict -----------------------------------------------------------------------------------------------------------


def test_a_healthy_run():
    report = analyze(healthy())
    assert report.verdict in ("healthy", "info")
    assert all(f.severity == Severity.INFO for f in report.findings)
    assert report.summary.startswith("No fault found. Best val_loss 0.")


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], "healthy"),
        (["info"], "info"),
        (["info", "warning"], "warning"),
        (["critical", "info", "warning"], "critical"),
    ],
)
def test_the_verdict_is_the_worst_of_the_findings(severities, verdict):
    trend = Needs(any_of=(("loss",),), min_epochs=3)
    checks = [a_check(f"check-{i}", a_finding(Severity(s))) for i, s in enumerate(severities)]
    report = analyze(run(loss=decay(9)), checks=[a_check("trend", needs=trend), *checks])
    assert report.verdict == verdict


@pytest.mark.parametrize("a_run", [run(), run(loss=[1.0]), run(loss=[1.0, 0.9]), run(learning_rate=np.full(50, 0.1))])
def test_a_run_that_nobody_could_look_at_is_unknown(a_run):
    report = analyze(a_run)
    assert report.verdict == "unknown"
    begins = "Too little in the log" if a_run.get("loss") is not None else "No loss in the log"
    assert report.summary.startswith(begins)


def test_a_fault_in_a_run_too_short_for_a_trend_is_a_fault():
    assert analyze(run(accuracy=[0.98], test_accuracy=[0.54])).verdict in ("warning", "critical")
    assert analyze(run(loss=[math.nan])).verdict == "critical"


def test_a_report_of_one_finding_is_its_summary():
    report = analyze(run(loss=decay(9)), checks=[a_check("only", a_finding())])
    assert report.summary == "Seen."


def test_other_findings_are_named_once():
    several = a_check("several", a_finding(confidence=0.1), a_finding(confidence=0.2))
    report = analyze(run(loss=decay(9)), checks=[a_check("first", a_finding(confidence=0.9)), several])
    assert report.summary == "Seen. Also found: several."


# -- best epoch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curves", "metric", "epoch"),
    [
        ({"loss": line(9, 1, 0), "val_loss": [3, 2, 1, 2], "val_accuracy": [1, 0]}, "val_loss", 3),
        ({"loss": line(9, 1, 0), "val_accuracy": [0.5, 0.9, 0.7]}, "val_accuracy", 2),
        ({"loss": [3, 1, 2], "accuracy": [0, 0, 1]}, "loss", 2),
        ({"accuracy": [0.1, 0.2, 0.9]}, "accuracy", 3),
        ({"mae": [3, 1, 2]}, "mae", 2),
        ({"val_loss": [math.nan, 3, math.inf, 2, -math.inf]}, "val_loss", 4),
        ({"val_loss": [math.nan] * 3, "loss": [2, 1, 3]}, "loss", 2),
    ],
)
def test_the_best_epoch_by_the_runs_own_yardstick(curves, metric, epoch):
    best = best_epoch(run(first=1, **curves))
    assert best is not None
    assert (best.metric, best.epoch) == (metric, epoch)
    assert best.value == curves[metric][epoch - 1]


@pytest.mark.parametrize("curves", [{}, {"learning_rate": [0.1]}, {"loss": [math.nan]}])
def test_without_a_number_there_is_no_best(curves):
    assert best_epoch(run(**curves)) is None


# ----------------------------------------------------------------------------------------------------------------------


def test_looking_changes_nothing_and_warns_of_nothing():
    a_run = healthy()
    for series in a_run.series:
        series.values.flags.writeable = series.epochs.flags.writeable = False
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        first, second = analyze(a_run), analyze(a_run)
    assert first == second
    assert all(o.kind != OutcomeKind.ERROR for o in first.outcomes)


def test_what_an_audit_has_said_is_taken_over_and_explains_what_comes_of_it():
    model = blueprints.model(
        blueprints.dense(32, "relu", initializer=Initializer("Zeros")),
        blueprints.dense(32, "relu", initializer=Initializer("Zeros")),
        blueprints.dense(10, "softmax", initializer=Initializer("Zeros")),
    )
    audit = analyze(blueprints.planned(model))
    flat = run(loss=math.log(10) + noise(40, 1e-3), accuracy=0.1 + noise(40, 1e-3, 1), config={"classes": 10})
    trained = dataclasses.replace(flat, model=model)
    report = analyze(trained, audit=audit)
    assert report.findings[0].check == "constant-initializer"
    assert [f.caused_by for f in report.findings if f.check == "not-learning"] == [("constant-initializer",)]
    assert [(f.check, f.caused_by) for f in analyze(trained).findings] == [
        (f.check, f.caused_by) for f in report.findings
    ]
