"""Drawings."""

import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from diagnose.renderers import plots, svg
from diagnose.report import RunReport
from tests.renderers import samples
from tests.renderers.samples import overfitting_finding

SVG = "{http://www.w3.org/2000/svg}"


def loss_chart(run: RunReport) -> ElementTree.Element:
    plot = plots.plots(run, points=800, limit=1)[0]
    return ElementTree.fromstring(svg.chart(plot, standalone=True))


def texts(root: ElementTree.Element, css: str) -> list[ElementTree.Element]:
    return [t for t in root.iter(f"{SVG}text") if css in t.get("class", "").split()]


def test_a_chart_tells_in_words_what_it_shows() -> None:
    label = loss_chart(samples.overfit_run()).get("aria-label", "")

    assert label.startswith("loss by epoch, 1 to 60. loss: from 1.6")
    assert "overfitting at 14" in label


def test_labels_of_findings_at_one_place_do_not_overlap() -> None:
    found = tuple(overfitting_finding(check=f"some-long-check-{i}", epoch=14.0 + i) for i in range(12))
    root = loss_chart(replace(samples.overfit_run(), findings=found))
    boxes = [
        (float(t.get("y", 0)), float(t.get("x", 0)), float(t.get("x", 0)) + 6 * len(t.text or ""))
        for t in texts(root, "label")
    ]

    assert len(boxes) > 3
    for (y, left, right), (other_y, other_left, other_right) in itertools.combinations(boxes, 2):
        assert y != other_y or right <= other_left or other_right <= left


def test_a_curve_is_broken_where_its_values_are_not_finite() -> None:
    run = samples.run_report("run.csv", (samples.series("loss", [3, 2, np.nan, 2, 1, np.inf]),))
    root = loss_chart(run)
    (curve,) = [p for p in root.iter(f"{SVG}path") if p.get("class") == "curve train" and "h24" not in p.get("d", "")]

    assert re.sub(r"[\d. ]+", "", curve.get("d", "")) == "MLML"
    assert [r for r in root.iter(f"{SVG}rect") if r.get("class") == "broken"]


def test_a_name_from_the_log_stays_text() -> None:
    payload = "<img src=x onerror=alert(1)>"
    run = samples.run_report("run.csv", (samples.series(payload, [2, 1], quantity="loss"),))
    root = loss_chart(run)

    assert {e.tag for e in root.iter()} <= {f"{SVG}{t}" for t in ("svg", "style", "path", "text", "circle")}
    assert payload in root.get("aria-label", "")


def test_a_dead_layer_has_a_colour_of_its_own_in_the_norms() -> None:
    norms = next(m for m in plots.heat_maps(samples.dying_run(), columns=60, rows=60) if m.scale.log)
    root = ElementTree.fromstring(svg.heat_map(norms, standalone=True))
    zero = [p for p in root.iter(f"{SVG}path") if p.get("class") == "cell zero"]

    assert len(zero) == 1
    assert zero[0].get("d", "").startswith("M21 4h19")  # dead from epoch 22 to 40, fifth layer
    assert "exactly 0" in [t.text for t in texts(root, "tick")]


def test_layers_of_findings_are_set_apart() -> None:
    drawn = plots.heat_maps(samples.dying_run(), columns=60, rows=60)[0]
    root = ElementTree.fromstring(svg.heat_map(drawn, standalone=True))

    assert [t.text for t in texts(root, "concerned")] == ["▸ conv2d_4"]
