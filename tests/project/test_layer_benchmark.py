"""The benchmark of recorded runs of layers: its plan, its labels, its arithmetic. Trains nothing.

The half `test` is held out: nothing here asks what a check says of its runs.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict

import numpy as np
import pytest

from benchmarks.faults.layers import evaluate
from benchmarks.faults.layers.evaluate import FAULTS, HERE, Labelled, baselines, misses, overall, per_fault
from benchmarks.faults.layers.published_rules import RULES
from diagnose.check import load_checks
from diagnose.readers import read
from diagnose.run import Run
from tests.curves import healthy, run
from tests.telemetry import a_run

CHECKS = {check.id for check in load_checks()}
RECORDED = {path.stem: path for path in (HERE / "runs").glob("*.csv")}


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


LABELS, DROPPED = rows("labels.csv"), rows("dropped.csv")


def names(text: str) -> list[str]:
    return text.split(";") if text else []


# -- the labels --------------------------------------------------------------------------------------------------------


def test_every_labelled_run_was_recorded():
    assert {row["run"] for row in LABELS} <= set(RECORDED)


def test_every_log_has_its_facts_beside_it_and_was_observed():
    lines = (HERE / "facts.jsonl").read_text(encoding="utf-8").splitlines()
    observed = [json.loads(line)["run"] for line in lines]
    assert observed == sorted(set(observed))
    assert set(RECORDED) == set(observed)
    assert all(path.with_suffix(".json").exists() for path in RECORDED.values())


def test_a_run_is_labelled_once_or_dropped():
    labelled, dropped = ([row["run"] for row in some] for some in (LABELS, DROPPED))
    assert len(set(labelled)) == len(labelled)
    assert not set(labelled) & set(dropped)
    assert {*labelled, *dropped} == set(RECORDED)


def test_a_run_is_called_after_its_cause_its_task_and_its_seed():
    for row in LABELS:
        assert row["run"] == f"{row['cause']}--{row['data']}--{row['seed']}"


def test_a_cause_lies_in_one_half_only():
    """What was learned on one run of a cause would tell on its others."""
    found = defaultdict(set)
    for row in LABELS:
        found[row["cause"]].add(row["half"])
    assert all(len(half) == 1 for half in found.values())


@pytest.mark.parametrize("half", ["tune", "test"])
def test_a_half_holds_five_causes_of_every_fault_and_a_hundred_healthy_runs(half):
    of_half = [row for row in LABELS if row["half"] == half]
    assert sum(row["healthy"] == "yes" for row in of_half) > 100
    for fault in FAULTS:
        assert len({row["cause"] for row in of_half if fault in names(row["symptoms"])}) >= 5, fault


def test_a_run_is_healthy_or_has_faults_of_layers():
    assert {row["healthy"] for row in LABELS} == {"yes", "no"}
    for row in LABELS:
        assert (row["healthy"] == "yes") == (not row["symptoms"]), row["run"]
        assert set(names(row["symptoms"])) <= set(FAULTS), row["run"]


def test_what_is_accepted_beside_health_are_faults_of_curves():
    assert set(FAULTS) <= CHECKS
    for row in LABELS:
        assert set(names(row["also"])) <= CHECKS - set(FAULTS), row["run"]


def test_every_label_says_how_it_was_verified():
    assert all(row["verified"] for row in LABELS)
    assert all(row["reason"] for row in DROPPED)
    for row in LABELS:
        assert all(f"{fault}: " in row["verified"] for fault in names(row["symptoms"])), row["run"]


def test_the_recording_is_small():
    sizes = [path.stat().st_size for path in HERE.rglob("*") if path.suffix in {".csv", ".json", ".jsonl"}]
    assert sum(sizes) < 15_000_000


def test_every_log_is_one_run_with_telemetry():
    for path in sorted(RECORDED.values())[::10]:
        (logged,) = read(path)
        assert "update_ratio" in logged.layers, path.stem


@pytest.mark.keras
def test_the_plan_is_what_the_labels_say():
    pytest.importorskip("keras")
    from benchmarks.faults.layers.plan import halves, runs

    planned = {one.name: one for one in runs()}
    half = halves()
    assert set(RECORDED) <= set(planned)
    for row in LABELS:
        assert half[row["cause"]] == row["half"]
        assert (row["healthy"] == "yes") == planned[row["run"]].cause.healthy


# -- the arithmetic ----------------------------------------------------------------------------------------------------


def labelled(name: str, faults: str = "", found: str = "", also: str = "", logged: Run | None = None) -> Labelled:
    return Labelled(
        name=name,
        cause=name,
        faults=frozenset(names(faults)),
        main=(names(faults) or [""])[0],
        also=frozenset(names(also)),
        run=logged or healthy(),
        found=tuple(names(found)),
    )


#: Four healthy runs: one with an alarm of a layer check, one of another check. Five faulty ones.
FEW = [
    labelled("well"),
    labelled("good", found="overfitting", also="overfitting"),
    labelled("curve", found="plateau"),
    labelled("alarmed", found="dying-relu"),
    labelled("right", "dying-relu;frozen-weights", "dying-relu;not-learning"),
    labelled("second", "frozen-weights;dying-relu", "dying-relu"),
    labelled("late", "vanishing-gradient", "not-learning;vanishing-gradient"),
    labelled("wrong", "saturated-activation", "vanishing-gradient"),
    labelled("silent", "symmetric-weights", "not-learning"),
]


def counts(cell: str) -> str:
    return cell.split("(")[1].split(";")[0] if "(" in cell else cell


def test_the_bars():
    measured = [counts(row[1]) for row in overall(FEW)]
    assert measured == ["3/5", "1/4", "2/4", "2/3", "3/4"]
    assert [row[3] for row in overall(FEW)][:2] == ["missed", "missed"]


def test_the_bars_can_be_met():
    few = [labelled("well"), labelled("right", "dying-relu", "dying-relu")]
    assert [row[3] for row in overall(few)][:2] == ["met", "met"]


def test_each_fault_has_its_shares():
    measured = {fault: tuple(map(counts, cells)) for fault, *cells in per_fault(FEW)}
    assert measured["`dying-relu`"] == ("1", "1/1", "2/2", "1/1", "1/4")
    assert measured["`frozen-weights`"] == ("1", "1/1", "0/2", "1/1", "0/4")
    assert measured["`vanishing-gradient`"] == ("1", "1/1", "1/1", "0/1", "0/4")
    assert measured["`exploding-gradient`"] == ("0", "-", "-", "-", "0/4")


def test_what_was_got_wrong_is_listed():
    kinds = [line.split("  ")[1].strip() for line in misses(FEW).splitlines()]
    assert kinds == ["other alarm", "false alarm", "not first", "missed", "missed"]


def test_runs_of_the_held_out_half_are_not_listed_one_by_one(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--half", "test", "--misses"])
    assert "one by one" in capsys.readouterr().err


def test_the_page_is_renewed_between_its_marks(monkeypatch):
    monkeypatch.setattr(evaluate, "load", lambda half: FEW)
    begin, end = evaluate._BEGIN, evaluate._END
    page = evaluate.written(f"Before.\n{begin}\nold\n{end}\nAfter.\n")
    assert page.startswith("Before.\n")
    assert page.endswith("After.\n")
    assert "old" not in page
    assert evaluate.written(page) == page


# -- the published rules -----------------------------------------------------------------------------------------------


def test_a_rule_claims_faults_of_layers():
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.claims
        assert rule.claims <= set(FAULTS)


def test_the_rules_say_nothing_of_a_run_without_telemetry():
    assert not any(rule.fires(run(loss=[1.0, 0.5])) for rule in RULES)
    assert counts(baselines([labelled("well")])[-2][1]) == "0/1"


def throughout(**statistics: list[float]) -> Run:
    """A run of five epochs whose layers have the same values in each."""
    return a_run({name: np.array([values] * 5) for name, values in statistics.items()})


@pytest.mark.parametrize(
    ("name", "fires", "quiet"),
    [
        ("AutoTrainer: first/last < 1e-3, first < 1e-4", {"grad_norm": [1e-6, 0.01]}, {"grad_norm": [1e-3, 10.0]}),
        ("AutoTrainer: first/last > 70 or NaN", {"grad_norm": [71.0, 1.0]}, {"grad_norm": [69.0, 1.0]}),
        ("AutoTrainer: dying, share >= 0.7", {"dead_fraction": [0.1, 0.7]}, {"dead_fraction": [0.69, 0.1]}),
        ("DeepDiagnosis: dead, share >= 0.7", {"dead_fraction": [0.1, 0.7]}, {"dead_fraction": [0.69, 0.1]}),
        (
            "DeepDiagnosis: saturated, share > 0.5",
            {"saturated_fraction": [0.51, 0.0]},
            {"saturated_fraction": [0.5, 0.5]},
        ),
        ("DeepDiagnosis: step > 0.1", {"update_ratio": [0.11, 0.01]}, {"update_ratio": [0.1, 0.1]}),
        ("DeepDiagnosis: step < 1e-5", {"update_ratio": [9e-6, 0.01]}, {"update_ratio": [1e-5, 0.1]}),
        ("DeepDiagnosis: unchanged weights", {"update_ratio": [0.0, 0.01]}, {"update_ratio": [1e-9, 0.1]}),
        ("SageMaker: DeadRelu, share > 0.5", {"dead_fraction": [0.51, 0.0]}, {"dead_fraction": [0.5, 0.5]}),
        ("SageMaker: ExplodingTensor", {"grad_norm": [np.inf, 1.0]}, {"grad_norm": [1e30, 1.0]}),
        ("SageMaker: WeightUpdateRatio > 10", {"update_ratio": [11.0, 0.01]}, {"update_ratio": [9.0, 0.1]}),
        ("SageMaker: WeightUpdateRatio < 1e-8", {"update_ratio": [9e-9, 0.01]}, {"update_ratio": [1e-8, 0.1]}),
        ("TheDeepChecker: step > 1e-1", {"update_ratio": [0.11, 0.01]}, {"update_ratio": [0.09, 0.09]}),
        ("TheDeepChecker: step < 1e-4", {"update_ratio": [9e-5, 0.01]}, {"update_ratio": [2e-4, 0.1]}),
        ("BTTackler: neighbours < 1e-4", {"grad_norm": [9e-5, 1.0]}, {"grad_norm": [2e-4, 1.0]}),
        ("BTTackler: neighbours > 1000", {"grad_norm": [1001.0, 1.0]}, {"grad_norm": [999.0, 1.0]}),
    ],
)
def test_a_rule_is_that_of_its_publication(name, fires, quiet):
    (rule,) = (rule for rule in RULES if rule.name == name)
    assert rule.fires(throughout(**fires))
    assert not rule.fires(throughout(**quiet))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_rules_look_at_every_recorded_run_without_a_warning():
    few = [labelled(stem, logged=read(path)[-1]) for stem, path in sorted(RECORDED.items())[::7]]
    assert len(baselines(few)) == len(RULES) + 2
