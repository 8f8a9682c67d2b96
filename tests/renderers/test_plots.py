"""Data for the plots."""

from dataclasses import replace

import numpy as np
import pytest

from diagnose.finding import Point, Severity
from diagnose.renderers import plots
from diagnose.run import Direction, LayerStatistic
from tests.renderers import samples
from tests.renderers.samples import run_report, series


def test_thinning_out_keeps_the_ends_and_every_spike() -> None:
    values = np.zeros(100_000)
    values[12_345], values[54_321] = 9.0, -9.0
    epochs, kept = plots.downsample(np.arange(100_000.0), values, 200)

    assert len(kept) <= 200
    assert epochs[0] == 0
    assert epochs[-1] == 99_999
    assert {12_345, 54_321} <= set(epochs)
    assert (kept.max(), kept.min()) == (9.0, -9.0)


def test_a_short_curve_is_left_as_it_is() -> None:
    epochs, values = plots.downsample(np.arange(5.0), np.ones(5), 200)

    assert len(epochs) == len(values) == 5


@pytest.mark.parametrize(
    ("values", "direction", "log"),
    [
        ([100.1, 1.0], Direction.LOWER, True),
        ([99.0, 1.0], Direction.LOWER, False),
        ([1000.0, 0.0, 1.0], Direction.LOWER, True),
        ([1000.0, -1.0], Direction.LOWER, False),
        ([0.001, 0.9], Direction.HIGHER, False),
        ([1e-300, 1e300], Direction.LOWER, True),
    ],
)
def test_the_scale_is_logarithmic_beyond_two_decades_of_a_loss(
    values: list[float], direction: Direction, log: bool
) -> None:
    run = run_report("run.csv", (series("loss", values, direction=direction),))
    (plot,) = plots.plots(run, points=50, limit=4)

    assert plot.y.log is log
    inside = plot.y.position(plot.curves[0].values)
    assert ((inside >= 0) & (inside <= 1)).all()


def test_ticks_are_round_numbers_inside_the_scale() -> None:
    run = run_report("run.csv", (series("loss", [0.2, 1.87]),))
    (plot,) = plots.plots(run, points=50, limit=4)

    assert plot.y.ticks == (0.5, 1.0, 1.5, 2.0)
    assert plot.y.high == 2.0
    assert plot.y.at(0.0) == plot.y.low


def test_a_constant_curve_lies_in_the_middle() -> None:
    run = run_report("run.csv", (series("loss", [0.5, 0.5, 0.5]),))
    (plot,) = plots.plots(run, points=50, limit=4)

    assert plot.y.position(np.array([0.5])) == pytest.approx(0.5)


@pytest.mark.parametrize("values", [[np.nan, np.inf], [1.0], []])
def test_what_no_line_can_be_drawn_of_is_left_out(values: list[float]) -> None:
    assert plots.plots(run_report("run.csv", (series("loss", values),)), points=50, limit=4) == ()


def test_the_loss_comes_first_then_what_findings_rest_on_then_the_main_metric() -> None:
    logged = (
        series("accuracy", [0.1, 0.2], direction=Direction.HIGHER),
        series("mae", [3, 2]),
        series("learning_rate", [0.1, 0.01], direction=None),
        series("loss", [1, 0]),
        series("val_loss", [1, 0]),
        series("seconds", [1, 2], direction=None),
    )
    evidence = Point(label="x", value=1, series="learning_rate", epoch=1)
    run = run_report("run.csv", logged, findings=(samples.overfitting_finding(evidence=(evidence,)),))

    titles = [p.title for p in plots.plots(run, points=50, limit=9)]
    assert titles == ["loss", "learning rate", "accuracy", "mae"]


def test_a_mark_stands_on_the_curves_of_its_evidence_with_its_number() -> None:
    loss, accuracy = plots.plots(samples.overfit_run(), points=50, limit=2)

    assert [(m.number, m.epoch, m.label) for m in loss.marks] == [
        (1, 14, "overfitting"),
        (2, 31, "generalization-gap"),
    ]
    assert accuracy.marks == ()
    assert loss.best is not None


def test_a_mark_of_a_curve_that_cannot_be_drawn_stands_on_the_first_plot() -> None:
    nan = Point(label="x", value=1, series="loss", epoch=2)
    logged = (
        series("loss", [np.nan] * 3),
        series("accuracy", [0.1, 0.2, 0.3], direction=Direction.HIGHER),
    )
    finding = samples.overfitting_finding(evidence=(nan,), epoch=2.0)
    (plot,) = plots.plots(run_report("run.csv", logged, findings=(finding,)), points=50, limit=4)

    assert plot.title == "accuracy"
    assert [m.epoch for m in plot.marks] == [2]


def test_marks_outside_the_curves_are_dropped() -> None:
    run = replace(samples.overfit_run(), findings=(samples.overfitting_finding(epoch=500.0),))

    assert plots.plots(run, points=50, limit=1)[0].marks == ()


def test_a_heat_map_of_norms_is_logarithmic_and_one_of_fractions_is_not() -> None:
    maps = {m.statistic: m for m in plots.heat_maps(samples.dying_run(), columns=20, rows=60)}

    assert next(iter(maps)) == "dead_fraction"  # the finding rests on it
    assert maps["grad_norm"].scale.log
    assert (maps["dead_fraction"].scale.low, maps["dead_fraction"].scale.high) == (0, 1)
    assert maps["grad_norm"].values.shape == (12, 20)
    assert maps["dead_fraction"].concerned == {"conv2d_4"}


def test_of_many_layers_those_of_findings_are_kept() -> None:
    layers = tuple(f"layer_{i}" for i in range(500))
    statistic = LayerStatistic("dead_fraction", layers, np.arange(3.0), np.zeros((3, 500)))
    finding = samples.overfitting_finding(layers=("layer_123",), severity=Severity.CRITICAL)
    run = run_report("run.csv", (), findings=(finding,), layers={"dead_fraction": statistic})
    (drawn,) = plots.heat_maps(run, columns=20, rows=40)

    assert len(drawn.layers) == 40
    assert "layer_123" in drawn.layers
    assert drawn.layers[0] == "layer_0"
    assert drawn.layers[-1] == "layer_499"


@pytest.mark.parametrize("value", [1e308, 1.7e308, 5e-324, 1e-310, 1.0])
def test_norms_at_the_ends_of_the_range_of_floats_have_a_scale(value: float):
    scale = plots._colour_scale("grad_norm", np.array([[value]]))
    assert 0 < scale.low < scale.high < np.inf
    assert all(np.isfinite(scale.ticks))
