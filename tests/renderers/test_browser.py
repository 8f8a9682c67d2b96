"""The HTML report in a real browser: nothing is loaded, nothing runs, everything can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diagnose.renderers import html
from diagnose.report import Report
from tests.browsers import CHROMIUM, DRIVER, FAINT_TEXTS, chromium
from tests.renderers import samples

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]

PAYLOAD = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of several runs, one of them with hostile names."""
    overfit, dying = samples.overfit_run(PAYLOAD), samples.dying_run()
    renamed = tuple(replace(s, name=PAYLOAD + s.name) for s in overfit.run.series)
    layers = {n: replace(s, layers=(PAYLOAD, *s.layers[1:])) for n, s in samples.telemetry().items()}
    hostile = replace(
        overfit,
        run=replace(overfit.run, series=renamed, layers=layers),
        findings=(samples.overfitting_finding(layers=(PAYLOAD,), summary=PAYLOAD),),
    )
    report = Report((hostile, dying, *samples.several().runs), samples.several().errors)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.render(report), encoding="utf-8")
    return path


def show(browser: Any, page: Path, *, scheme: str = "light", width: int = 1100) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())


def test_nothing_is_loaded_and_the_console_is_silent(browser: Any, page: Path) -> None:
    show(browser, page)

    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    requested = [e["message"] for e in browser.get_log("performance") if "Network.requestWillBeSent" in e["message"]]
    assert all(page.as_uri() in message for message in requested)


def test_hostile_names_stay_text(browser: Any, page: Path) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    show(browser, page)

    assert browser.execute_script("return document.querySelectorAll('img, script, iframe, object').length") == 0
    assert browser.execute_script("return document.querySelector('#run-1 h2').textContent") == PAYLOAD
    assert PAYLOAD in browser.execute_script("return document.querySelector('#run-1 svg').getAttribute('aria-label')")
    with pytest.raises(NoAlertPresentException):
        browser.switch_to.alert.accept()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: Any, page: Path, scheme: str) -> None:
    show(browser, page, scheme=scheme)

    assert browser.execute_script(FAINT_TEXTS, 4.5) == []


def test_dark_is_dark(browser: Any, page: Path) -> None:
    show(browser, page, scheme="dark")
    color = browser.execute_script("return getComputedStyle(document.querySelector('.card')).backgroundColor")

    assert max(int(c) for c in color.removeprefix("rgb(").removesuffix(")").split(",")) < 60


@pytest.mark.parametrize("width", [375, 768, 1400])
def test_the_page_never_scrolls_sideways(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width=width)

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_screenshot_is_neither_empty_nor_endless(browser: Any, page: Path) -> None:
    show(browser, page)
    height = browser.execute_script("return document.documentElement.scrollHeight")

    assert 2000 < height < 12_000
    assert len(browser.get_screenshot_as_png()) > 20_000


def test_anchors_lead_to_their_runs(browser: Any, page: Path) -> None:
    show(browser, page)
    broken = browser.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')]"
        ".filter(a => !document.getElementById(a.hash.slice(1))).length"
    )

    assert broken == 0


def test_labels_of_a_chart_lie_inside_it(browser: Any, page: Path) -> None:
    show(browser, page)
    outside = browser.execute_script(
        "return [...document.querySelectorAll('svg.chart text, svg.heatmap text')].filter(t => {"
        "const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();"
        "return a.width && (a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1"
        " || a.bottom > b.bottom + 1);"
        "}).map(t => t.textContent)"
    )

    assert outside == []
