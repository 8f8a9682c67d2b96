"""The HTML report, looked at without a browser; `test_browser` looks with one."""

import itertools
import re
from dataclasses import replace

import numpy as np

from diagnose.renderers import html
from diagnose.report import Report
from tests.renderers import samples

PAYLOAD = "<img src=x onerror=alert(1)>"


def test_a_page_loads_nothing_and_says_so() -> None:
    page = html.render(samples.several())

    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search(r"https?:(?!//www\.w3\.org)|<script|<link|@import|url\(", page)


def test_an_ordinary_run_with_telemetry_takes_less_than_300_kb() -> None:
    layers = samples.telemetry(30, 60)
    run = replace(samples.overfit_run(), run=replace(samples.overfit_run().run, layers=layers))

    assert len(html.render(samples.single(run)).encode()) < 300_000


def test_a_huge_run_is_bounded() -> None:
    t = np.arange(50_000)
    noise = np.random.default_rng(0).normal(0, 0.1, (4, 50_000))
    run = samples.run_report(
        "run.csv",
        samples.curves(*(2 + noise)),
        findings=tuple(samples.overfitting_finding(check=f"check-{i}", epoch=float(t[i * 200])) for i in range(200)),
        layers=samples.telemetry(300, 2000),
    )

    assert len(html.render(samples.single(run)).encode()) < 600_000


def test_names_from_the_log_stay_text() -> None:
    run = samples.overfit_run(PAYLOAD)
    renamed = tuple(replace(s, name=PAYLOAD + s.name) for s in run.run.series)
    finding = samples.overfitting_finding(layers=(PAYLOAD,), summary=PAYLOAD)
    run = replace(run, run=replace(run.run, series=renamed), findings=(finding,))
    page = html.render(Report((run, run)))

    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_fragment_is_no_page_and_brings_its_style() -> None:
    fragment = html.render_fragment(samples.single(samples.overfit_run()))

    assert "<html" not in fragment
    assert "<head>" not in fragment
    assert fragment.startswith('<div class="kerasdx">')
    assert "<style>" in fragment
    # A notebook is a page of others: every rule is held to the report.
    assert "body {" not in fragment


def test_marks_headings_and_fixes_are_there() -> None:
    page = html.render(samples.single(samples.overfit_run()))

    assert "1 overfitting</text>" in page
    assert 'id="run-1-finding-1"' in page
    assert "keras.layers.Dropout(0.3)" in page
    assert "Should it stay once its cause is mended" in page


def test_headings_leave_out_no_level() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", html.render(samples.several()))]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_several_runs_have_a_table_with_anchors_and_a_comparison() -> None:
    page = html.render(samples.several())

    assert '<a href="#run-2">…/lr-1.0/run.csv</a>' in page
    assert 'id="run-2"' in page
    assert "Compared by validation accuracy" in page


def test_of_hundreds_of_runs_the_sick_get_a_section() -> None:
    runs = (*(samples.short_run(f"{i}.csv") for i in range(60)), samples.overfit_run("sick.csv"))
    page = html.render(Report(runs))

    assert page.count('class="card run"') == 40
    assert 'aria-label="sick.csv"' in page
    assert "21 runs of these are in this table only." in page


def test_code_stands_once_on_a_page_and_is_linked_to_elsewhere() -> None:
    run = samples.overfit_run()
    page = html.render(Report(runs=(run, replace(run, run=replace(run.run, source="again.csv")))))
    codes = re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    links = re.findall(r'Keras code: see <a href="#([^"]+)">', page)

    assert len(codes) == len(set(codes)) > 0
    assert links
    assert all(f'id="{link}"' in page for link in links)
