"""Several runs beside each other."""

from diagnose.renderers import comparison
from diagnose.run import Direction
from tests.renderers import samples
from tests.renderers.samples import run_report, series


def ranked(*runs):  # type: ignore[no-untyped-def]
    return [
        (s.metric, [(p.index, p.value, p.epoch) for p in s.places])
        for s in comparison.siblings(runs, points=100, curves=8)
    ]


def test_runs_with_the_same_metric_are_ranked_by_their_best_value() -> None:
    a = run_report("a.csv", (series("val_accuracy", [0.1, 0.7, 0.6], direction=Direction.HIGHER),))
    b = run_report("b.csv", (series("val_accuracy", [0.1, 0.8], direction=Direction.HIGHER),))

    assert ranked(a, b) == [("validation accuracy", [(1, 0.8, 2.0), (0, 0.7, 2.0)])]


def test_a_run_without_the_metric_is_compared_with_others_by_loss_or_not_at_all() -> None:
    a = run_report("a.csv", (series("loss", [3, 1]),))
    b = run_report("b.csv", (series("loss", [2, 2]),))
    c = run_report("c.csv", (series("reward", [1, 2], direction=Direction.HIGHER),))

    assert ranked(a, b, c) == [("loss", [(0, 1.0, 2.0), (1, 2.0, 1.0)])]


def test_a_value_that_is_not_finite_wins_nothing() -> None:
    a = run_report("a.csv", (series("loss", [float("-inf"), 1]),))
    b = run_report("b.csv", (series("loss", [0.5, float("nan")]),))

    assert ranked(a, b) == [("loss", [(1, 0.5, 1.0), (0, 1.0, 2.0)])]


def test_the_overlay_has_the_best_runs_first() -> None:
    (siblings,) = comparison.siblings(samples.several().runs, points=100, curves=2)

    assert siblings.plot is not None
    assert [c.name for c in siblings.plot.curves] == ["logs/baseline/run.csv", "logs/baseline/other-seed.csv"]


def test_a_row_has_verdict_best_and_the_leading_finding() -> None:
    overfit, *_, short = comparison.summary_rows(samples.several().runs)

    assert (overfit.verdict, overfit.leading, overfit.best) == (
        "warning",
        "overfitting (+1)",
        "val_loss 0.3949 @ 14",
    )
    assert (short.verdict, short.leading) == ("unknown", "")


def test_the_folders_that_all_share_are_left_out() -> None:
    assert comparison.without_common_folder(["/a/b/c/1.csv", "/a/b/d/2.csv"]) == ["…/c/1.csv", "…/d/2.csv"]
    assert comparison.without_common_folder(["1.csv", "x/2.csv"]) == ["1.csv", "x/2.csv"]
    assert comparison.without_common_folder([]) == []
