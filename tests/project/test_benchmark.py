"""The benchmark of recorded runs: its labels, its arithmetic, the rules that it compares with.

The half `test` is held out: nothing here asks what a check says of its runs.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict

import numpy as np
import pytest

from benchmarks.faults import evaluate
from benchmarks.faults.evaluate import HERE, Labelled, Share, baselines, misses, overall, per_check, share, table
from benchmarks.faults.plan import halves
from benchmarks.faults.published_rules import RULES
from diagnose.check import load_checks
from diagnose.readers import read
from diagnose.run import Run
from tests.curves import healthy, line, run

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
    assert all((HERE / "runs" / f"{row['run']}.json").exists() for row in LABELS)


def test_a_run_is_labelled_once_or_dropped():
    labelled, dropped = ([row["run"] for row in some] for some in (LABELS, DROPPED))
    assert len(set(labelled)) == len(labelled)
    assert not set(labelled) & set(dropped)


def test_a_run_is_called_after_its_cause_its_data_and_its_seed():
    for row in LABELS:
        assert row["run"] == f"{row['cause']}--{row['data']}--{row['seed']}"


def test_a_cause_lies_in_one_half_only():
    """What was learned on one run of a cause would tell on its others."""
    found = defaultdict(set)
    for row in LABELS:
        found[row["cause"]].add(row["half"])
    assert all(len(half) == 1 for half in found.values())
    planned = halves()
    assert {cause: planned[cause] for cause in found} == {cause: half for cause, (half,) in found.items()}


@pytest.mark.parametrize("half", ["tune", "test"])
def test_a_half_holds_healthy_and_faulty_runs_of_many_causes(half):
    for is_healthy in ("yes", "no"):
        causes = {row["cause"] for row in LABELS if row["half"] == half and row["healthy"] == is_healthy}
        assert len(causes) >= 10


def test_there_are_no_other_halves():
    assert {row["half"] for row in LABELS} == {"tune", "test"}


def test_a_run_is_healthy_or_has_symptoms():
    assert {row["healthy"] for row in LABELS} == {"yes", "no"}
    for row in LABELS:
        assert (row["healthy"] == "yes") == (not row["symptoms"]), row["run"]


def test_symptoms_are_checks():
    for row in LABELS:
        symptoms, also = names(row["symptoms"]), names(row["also"])
        assert set(symptoms) | set(also) <= CHECKS, row["run"]
        assert len({*symptoms, *also}) == len(symptoms) + len(also), row["run"]


def test_every_label_says_how_it_was_verified():
    assert all(row["verified"] for row in LABELS)
    assert all(row["reason"] for row in DROPPED)
    for row in LABELS:
        assert all(f"{symptom}: " in row["verified"] for symptom in names(row["symptoms"])), row["run"]


# -- the arithmetic ----------------------------------------------------------------------------------------------------


def labelled(name: str, symptoms: str = "", found: str = "", also: str = "", a_run: Run | None = None) -> Labelled:
    return Labelled(
        name=name,
        cause=name,
        healthy=not symptoms,
        symptoms=frozenset(names(symptoms)),
        also=frozenset(names(also)),
        half="tune",
        run=a_run or healthy(),
        found=frozenset(names(found)),
    )


#: Four healthy runs, of which one has an alarm; four faulty ones: right, accepted, wrong, nothing.
FEW = [
    labelled("well"),
    labelled("good", also="plateau"),
    labelled("fine"),
    labelled("alarmed", found="plateau;divergence"),
    labelled("right", "overfitting;overtraining", "overfitting"),
    labelled("accepted", "overfitting", "plateau", also="plateau"),
    labelled("wrong", "divergence", "plateau"),
    labelled("silent", "plateau"),
]


def test_a_share_counts_hits():
    assert share(FEW, lambda r: r.healthy) == Share(4, 8)
    assert share(FEW, lambda r: r.healthy).value == 0.5
    assert share([], lambda r: True) == Share(0, 0)


def test_a_share_is_told_with_its_interval():
    """Wilson (1927): the 95 % interval of 5 of 10 is 24 to 76 %; that of 0 of 10 ends at 28 %."""
    assert str(Share(5, 10)) == "50.0 % (5/10; 24-76 %)"
    assert str(Share(0, 10)) == "0.0 % (0/10; 0-28 %)"
    assert str(Share(10, 10)) == "100.0 % (10/10; 72-100 %)"


def test_a_share_of_nothing_is_none():
    assert str(Share(0, 0)) == "-"
    assert math.isnan(Share(0, 0).value)


def counts(cell: str) -> str:
    """Hits and runs of a cell: ``1/4`` of ``25.0 % (1/4; 5-70 %)``."""
    found = re.search(r"\d+/\d+", cell)
    return found.group() if found else cell


def test_the_bars():
    measured = {what: (counts(cell), met) for what, cell, _, met in overall(FEW)}
    assert measured == {
        "healthy runs with a false alarm": ("1/4", "missed"),
        "faulty runs with a right finding": ("1/4", "missed"),
        "... counting other names that an expert would accept": ("2/4", ""),
        "... with any finding": ("3/4", ""),
    }


def test_the_bars_can_be_met():
    alarms, right, *_ = overall([labelled("well"), labelled("right", "overfitting", "overfitting")])
    assert (alarms[-1], right[-1]) == ("met", "met")


def test_each_check_has_its_precision_recall_and_false_alarms():
    measured = {check: tuple(map(counts, cells)) for check, *cells in per_check(FEW)}
    assert measured == {
        "`divergence`": ("0/1", "0/1", "1/4"),
        "`overfitting`": ("1/1", "1/2", "0/4"),
        "`overtraining`": ("-", "0/1", "0/4"),  # never found: no precision
        "`plateau`": ("1/3", "0/1", "1/4"),  # right where it is accepted beside another symptom
    }


def test_what_was_got_wrong_is_listed():
    lines = misses(FEW).splitlines()
    assert [line.split()[-1] for line in lines if "false alarm" in line] == ["plateau"]
    assert [line.split()[1].rstrip(":") for line in lines if "missed" in line] == ["accepted", "wrong", "silent"]
    assert misses([labelled("well")]) == ""


def test_a_published_rule_is_held_against_the_runs_that_show_what_it_claims():
    nan = run(loss=[1.0, 0.5, math.nan], val_loss=[1.0, 0.5, 0.4])
    few = [labelled("well"), labelled("broken", "nan-loss", "nan-loss", a_run=nan)]
    measured = {rule: tuple(map(counts, cells)) for rule, *cells in baselines(few)}
    assert measured["AutoTrainer: NaN loss"] == ("0/1", "1/1", "1/1", "1/1")
    assert measured["**kerasdx, any check**"][0] == "0/1"
    assert set(measured) >= {rule.name for rule in RULES}


def test_a_table_is_markdown():
    assert table(("a", "b"), [("1", "2")]).splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


# -- the published rules -----------------------------------------------------------------------------------------------


def test_a_rule_claims_what_there_is():
    for rule in RULES:
        assert rule.claims
        assert rule.claims <= CHECKS
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_rules_look_at_every_recorded_run_without_a_warning():
    for path in sorted(RECORDED.values()):
        for a_run in read(path):
            assert all(isinstance(rule.fires(a_run), bool) for rule in RULES), path.stem


ODD = {
    "nothing": run(),
    "empty": run(loss=[], val_loss=[], accuracy=[]),
    "one epoch": run(loss=[1.0], val_loss=[1.0], accuracy=[0.5]),
    **{
        f"{value} {where}": run(**dict.fromkeys(("loss", "val_loss", "accuracy"), values))
        for value in (math.nan, math.inf, -math.inf, 0.0)
        for where, values in {
            "throughout": np.full(12, value),
            "at last": np.r_[line(6, 0.5, 0.4), np.full(6, value)],
            "at first": np.r_[np.full(6, value), line(6, 0.5, 0.4)],
        }.items()
    },
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("a_run", ODD.values(), ids=ODD)
def test_the_rules_look_at_an_odd_run_without_a_warning(a_run):
    assert all(isinstance(rule.fires(a_run), bool) for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_nothing_of_nothing(rule):
    assert not any(rule.fires(ODD[kind]) for kind in ("nothing", "empty", "one epoch"))


@pytest.mark.parametrize(
    ("name", "fires", "quiet"),
    [
        ("AutoTrainer: slow convergence", {"accuracy": line(20, 0.1, 0.2)}, {"accuracy": line(20, 0.1, 0.9)}),
        ("AutoTrainer: NaN loss", {"loss": [1.0, math.nan]}, {"loss": [1.0, 0.9]}),
        ("AutoTrainer: oscillation", {"accuracy": 0.5 + 0.1 * (-1.0) ** np.arange(20)}, {"accuracy": line(20, 0, 1)}),
        ("DeepDiagnosis: loss unchanged over 5 epochs", {"loss": np.ones(5)}, {"loss": line(5, 1, 0)}),
        (
            "SageMaker: Overfit, (val - train)/train > 0.1",
            {"loss": [1.0], "val_loss": [1.2]},
            {"loss": [1.0], "val_loss": [1.05]},
        ),
        ("SageMaker: LossNotDecreasing, 0.1 % in 10", {"loss": np.ones(11)}, {"loss": line(11, 1, 0)}),
        ("SageMaker: Overtraining, patience 10", {"val_loss": np.ones(12)}, {"val_loss": np.ones(11)}),
        ("TheDeepChecker: falls 5 % in 5", {"loss": line(6, 1, 0.96)}, {"loss": line(6, 1, 0.94)}),
        ("TheDeepChecker: divergence, 2 x best", {"loss": [1.0, 2.0]}, {"loss": [1.0, 1.9]}),
        ("TheDeepChecker: > 50 % sign changes", {"loss": (-1.0) ** np.arange(9)}, {"loss": line(9, 1, 0)}),
        ("Prechelt: GL > 5", {"val_loss": [1.0, 1.06]}, {"val_loss": [1.0, 1.04]}),
        ("Prechelt: UP, 3 strips of 5", {"val_loss": line(20, 1, 2)}, {"val_loss": line(19, 1, 2)}),
    ],
)
def test_a_rule_is_that_of_its_publication(name, fires, quiet):
    (rule,) = (rule for rule in RULES if rule.name == name)
    assert rule.fires(run(**fires))
    assert not rule.fires(run(**quiet))


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_half_that_thresholds_were_chosen_on_prints_its_tables(capsys):
    evaluate.main(["--half", "tune"])
    printed = capsys.readouterr().out
    tune = [row for row in LABELS if row["half"] == "tune"]
    assert printed.startswith(f"{len(tune)} runs of {len({row['cause'] for row in tune})} causes")
    assert "half `tune`" in printed
    assert "| what | measured | bar |  |" in printed
    assert "| check | precision | recall | false alarms on healthy runs |" in printed
    symptoms = {symptom for row in tune for symptom in names(row["symptoms"])}
    assert all(f"| `{check}` |" in printed for check in symptoms)
    assert all(f"| {rule.name} |" in printed for rule in RULES)
    assert "nan" not in printed.replace("nan-loss", "")


def test_another_half_is_refused(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--half", "both"])
    assert "invalid choice" in capsys.readouterr().err


def test_the_page_is_renewed_between_its_marks(monkeypatch):
    monkeypatch.setattr(evaluate, "page", lambda runs, half: f"tables of {half}")
    begin, end = evaluate._BEGIN, evaluate._END
    page = evaluate.written(f"Before.\n{begin}\nold\n{end}\nAfter.\n")
    assert page == f"Before.\n{begin}\n\ntables of test\n\n{end}\nAfter.\n"
    assert evaluate.written(page) == page
