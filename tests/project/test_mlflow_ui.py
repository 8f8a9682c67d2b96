"""MLflow's own UI, opened by the links of `tune ui` in a real browser: sort by health, compare, see why."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from diagnose.tracking import views
from tests.browsers import CHROMIUM, DRIVER, chromium
from tests.project import made_search
from tests.project.made_search import MadeSearch
from tests.servers import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]

#: The UI is a large program, and the machine of a test is busy.
PATIENCE = 90.0
TUNE = "from tuners import cli; from tuners.ui import ui; cli.command.add_command(ui); cli.main()"
#: MLflow opens a chat beside the page, once for each browser.
CLOSED_CHAT = "try { localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true') } catch (e) {}"
#: Texts of a column of the table of runs, from top to bottom.
COLUMN = """
const row = cell => Number(cell.closest('[role=row]').getAttribute('row-index'));
const cells = [...document.querySelectorAll('[role=gridcell]')].filter(c => c.getAttribute('col-id') == arguments[0]);
return cells.sort((a, b) => row(a) - row(b)).map(c => c.innerText.trim().split('\\n').pop());
"""
#: Columns of the table in their order, and whether the name of each can be read in whole.
HEADS = """
const heads = [...document.querySelectorAll('.ag-header-cell')].filter(h => /`/.test(h.getAttribute('col-id')));
return heads.sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x).map(head => {
  const name = head.querySelector('[data-testid^=sort-header]');
  return [head.getAttribute('col-id'), name.getBoundingClientRect().right <= head.getBoundingClientRect().right];
});
"""
#: Whether anything is drawn.
INK = """
return [...document.querySelectorAll('canvas')].some(c => {
  if (!c.width || !c.height) return false;
  return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0);
});
"""


class Links:
    """What `tune ui` has printed."""

    def __init__(self, text: str) -> None:
        self.text = text
        found = re.findall(r"^ +(compare|by health|overview) +(http\S+)$", text, flags=re.MULTILINE)
        self.compare, self.table, self.overview, self.every = [url for _, url in found]
        parts = urlsplit(self.table)
        self.base = f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> MadeSearch:
    return made_search.make(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def links(search: MadeSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    """`tune ui` in the project's folder, until Ctrl-C."""
    folder = Path(search.uri.removeprefix("sqlite:///")).parents[1]
    said = tmp_path_factory.mktemp("said") / "out"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    root = Path(__file__).parents[2]
    with said.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", TUNE, "ui", "--port", str(free_port())],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(root)},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 2 * PATIENCE
        while "all runs of" not in (text := said.read_text()) or not text.endswith("\n") or text.count("http") < 5:
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        yield Links(text)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, said.read_text()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CLOSED_CHAT})
        yield driver


def show(browser: Any, url: str) -> None:
    browser.get("about:blank")  # a link that differs behind its # alone is no new page
    browser.get_log("performance")
    browser.get(url)


def until(browser: Any, script: str, *arguments: object) -> Any:
    """Return what a script returns as soon as that is something."""
    deadline = time.monotonic() + PATIENCE
    while not (result := browser.execute_script(script, *arguments)):
        assert time.monotonic() < deadline, f"{script}\nnever became true of:\n{text(browser)}"
        time.sleep(0.1)
    return result


def text(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def until_text(browser: Any, wanted: str) -> None:
    until(browser, "return document.body.innerText.includes(arguments[0])", wanted)


def column(browser: Any, name: str, rows: int) -> list[str]:
    """Return a column of the table as soon as it has so many rows."""
    deadline = time.monotonic() + PATIENCE
    while len(values := browser.execute_script(COLUMN, name)) != rows or not all(values):
        assert time.monotonic() < deadline, f"{name}: {values} in\n{text(browser)}"
        time.sleep(0.1)
    return list(values)


def click(browser: Any, find: str) -> None:
    """Click the element that a script finds, as soon as it is there."""
    until(browser, f"const found = {find}; if (found) found.click(); return Boolean(found)")


def frame(browser: Any) -> None:
    """Go into the page that an artifact is shown in."""
    browser.switch_to.frame(until(browser, "return document.querySelector('iframe')"))


# --- The table --------------------------------------------------------------------------------------------------------


def test_the_table_of_a_search_is_sorted_by_health_and_says_why(browser: Any, links: Links, search: MadeSearch) -> None:
    show(browser, links.table)

    scores = [float(value) for value in column(browser, "metrics.`health/score`", 12)]
    assert scores == sorted(scores)
    assert scores[0] < 50
    assert scores[-1] == 100
    causes = column(browser, "tags.`diagnosis.root_cause`", 12)
    assert sorted(causes) == ["-"] * 6 + ["learning-rate-too-high"] * 3 + ["overfitting"] * 3
    assert causes[6:] == ["-"] * 6


def test_the_table_has_the_columns_of_the_view_and_names_that_can_be_read(browser: Any, links: Links) -> None:
    show(browser, links.table)
    column(browser, "metrics.`health/score`", 12)

    shown = until(browser, HEADS)
    names = [name for name, _ in shown]
    assert names[:6] == [
        "attributes.`Run Name`", "metrics.`health/score`", "tags.`diagnosis.verdict`", "tags.`diagnosis.root_cause`",
        "metrics.`best_val_accuracy`", "metrics.`health/findings`",
    ]  # fmt: skip
    assert all(is_whole for _, is_whole in shown)


def test_a_click_on_the_column_sorts_the_healthiest_first(browser: Any, links: Links) -> None:
    show(browser, links.table)
    before = column(browser, "metrics.`health/score`", 12)
    click(browser, "document.querySelector('[data-testid=\"sort-header-health/score\"]')")

    deadline = time.monotonic() + PATIENCE
    while (after := column(browser, "metrics.`health/score`", 12)) == before:
        assert time.monotonic() < deadline
    assert after == before[::-1]


def test_all_runs_by_health_has_the_search_itself_last(browser: Any, links: Links) -> None:
    show(browser, links.every)

    assert column(browser, "metrics.`health/score`", 13)[-1] == "-"


def test_the_views_are_in_the_list_of_saved_views(browser: Any, links: Links) -> None:
    show(browser, links.table)
    column(browser, "metrics.`health/score`", 12)
    trigger = "document.querySelector('[data-testid=\"saved-views-trigger\"]')"
    opened = "const e = arguments[0]; for (const t of ['pointerdown', 'pointerup', 'click']) "
    browser.execute_script(
        f"{opened} e.dispatchEvent(new PointerEvent(t, {{bubbles: true, button: 0}}))",
        until(browser, f"return {trigger}"),
    )

    for name in (f"{made_search.SEARCH}: by health", f"{made_search.SEARCH}: compare", "Runs by health"):
        until_text(browser, name)


# --- The comparison ---------------------------------------------------------------------------------------------------


def test_the_comparison_draws_settings_health_and_score_of_all_trials(browser: Any, links: Links) -> None:
    show(browser, links.compare)
    until_text(browser, "12 matching runs")
    labels = until(
        browser,
        """
        const charts = [...document.querySelectorAll('.parcoords')].map(c => [...c.querySelectorAll('.label')]);
        return charts.length && charts[0].length && charts[0].map(label => label.textContent);
        """,
    )

    assert labels[:2] == ["data.batch_size", "model.width"]
    assert labels[-1] == "health/findings"
    # Whole, so that they are told apart: the UI cuts names of more than fifteen letters in the middle.
    assert {"health/overfit", "health/unstable"} < set(labels)
    assert not any("seed" in label or "optimizer.name" in label for label in labels)
    until_text(browser, "Settings and health (red: most findings)")
    until(browser, INK)


def test_sick_and_healthy_trials_are_selected_and_compared(browser: Any, links: Links) -> None:
    show(browser, links.table)
    names = column(browser, "attributes.`Run Name`", 12)
    for row in (0, 4, 10, 11):
        click(browser, f"document.querySelector('[role=row][row-index=\"{row}\"] input[type=checkbox]')")
    click(browser, "[...document.querySelectorAll('button')].find(b => b.innerText.trim() == 'Compare' && !b.disabled)")

    until_text(browser, "Comparing 4 Runs")
    for row in (0, 4, 10, 11):
        until_text(browser, names[row])
    axes = until(browser, "const a = [...document.querySelectorAll('.pcp-plot .axis-title')]; return a.length && a")
    assert "health/findings" in [axis.get_attribute("textContent") for axis in axes]
    until_text(browser, "diagnosis.root_cause")
    until_text(browser, "learning-rate-too-high")


def test_the_link_to_the_page_of_comparison_names_the_trials(browser: Any, links: Links, search: MadeSearch) -> None:
    chosen = [ids[0] for ids in search.trials.values()]
    show(browser, views.compare_url(links.base, search.experiment, chosen))

    until_text(browser, "Comparing 3 Runs")
    until(browser, "return document.querySelector('.pcp-plot')")


# --- A run ------------------------------------------------------------------------------------------------------------


def test_the_page_of_a_run_has_its_diagnosis_as_description(browser: Any, links: Links, search: MadeSearch) -> None:
    show(browser, views.run_url(links.base, search.experiment, search.trials["overfit"][0]))

    until_text(browser, "Description")
    bold = until(browser, "const b = [...document.querySelectorAll('strong')]; return b.length && b")
    assert any("critical" in element.text for element in bold)
    until_text(browser, "val_loss rose")


def test_the_report_is_drawn_in_the_page_of_its_run_and_nothing_leaves_the_machine(
    browser: Any, links: Links, search: MadeSearch
) -> None:
    show(browser, views.run_url(links.base, search.experiment, search.trials["overfit"][0], "report.html"))
    frame(browser)
    try:
        until_text(browser, "overfitting")
        assert until(browser, "return document.querySelectorAll('svg').length") >= 1
    finally:
        browser.switch_to.default_content()

    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert asked
    assert [url for url in asked if not url.startswith((links.base, "data:", "blob:", "about:"))] == []


def test_the_curves_are_shown_as_a_picture(browser: Any, links: Links, search: MadeSearch) -> None:
    show(browser, views.run_url(links.base, search.experiment, search.trials["diverged"][0], "curves.svg"))

    until(
        browser,
        "return [...document.querySelectorAll('img')].some(i => i.src.startsWith('blob:') && i.naturalWidth > 100)",
    )


def test_the_overview_of_the_search_is_drawn(browser: Any, links: Links) -> None:
    show(browser, links.overview)
    frame(browser)
    try:
        assert until(browser, "return document.querySelector('#found')?.innerText").startswith("3 of 3 diverged")
    finally:
        browser.switch_to.default_content()
