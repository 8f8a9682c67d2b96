"""Take the pictures of docs/mlflow-ui.md: MLflow's UI on a store with a search in it.

    python -m scripts.mlflow_screenshots mlruns/mlflow.db        # needs Chromium and its driver

Writes ``docs/images/mlflow-*.png``, of the newest search in the store that has healthy and sick trials.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnose.tracking import views
from diagnose.tracking.health import VERDICT
from diagnose.tracking.record import KIND
from tests.browsers import chromium
from tuners import mlflow_ui

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _HEIGHT, _COLORS, _PATIENCE = 1280, 860, 256, 120.0
_SETTLED = 2.0  # seconds for what fades in
#: MLflow opens a chat beside the page, once for each browser.
_CLOSED_CHAT = "try { localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true') } catch (e) {}"
_ROWS = "document.querySelectorAll('[role=gridcell][col-id=\"metrics.`health/score`\"]')"
#: The folder of the project is nobody's business.
_WITHOUT_FOLDER = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replace(/file:.*mlruns/, 'mlruns');
"""


@dataclass(frozen=True)
class _Search:
    """What is photographed."""

    experiment: str
    run_id: str
    compare: str
    table: str
    chosen: tuple[str, ...]
    sick: str


def main() -> None:
    """Start the UI, open its pages and photograph them."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m scripts.mlflow_screenshots STORE")
    uri = mlflow_ui.meant_store(sys.argv[1])
    mlflow_ui.require_store(uri)
    port = mlflow_ui.free_port("127.0.0.1", None)
    base = f"http://127.0.0.1:{port}"
    with (
        mlflow_ui.served(uri, "127.0.0.1", port),
        tempfile.TemporaryDirectory() as profile,
        chromium(Path(profile)) as browser,
    ):
        found = _search(base)
        size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _CLOSED_CHAT})
        _take(browser, "table", found.table, f"return {_ROWS}.length > 1")
        _take(browser, "selected", found.table, f"return {_ROWS}.length > 1", _select)
        _take(browser, "charts", found.compare, "return document.querySelector('.parcoords .label')")
        compared = views.compare_url(base, found.experiment, found.chosen)
        _take(browser, "compare", compared, "return document.querySelector('.pcp-plot .axis-title')")
        _take(browser, "why", compared, "return document.querySelector('.pcp-plot .axis-title')", _to_tags)
        sick = views.run_url(base, found.experiment, found.sick)
        _take(browser, "run", sick, "return document.body.innerText.includes('Description')")
        report = views.run_url(base, found.experiment, found.sick, "report.html")
        _take(browser, "report", report, "return document.querySelector('iframe')")
        overview = views.run_url(base, found.experiment, found.run_id, "overview.html")
        _take(browser, "overview", overview, "return document.querySelector('iframe')")


def _search(base: str) -> _Search:
    """Return the newest search with healthy and sick trials, its views stored."""
    from diagnose.tracking.store import connected

    with connected(base) as (client, _):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        where, order = f"{views.tag_column(KIND)} = 'search'", ["attributes.start_time DESC"]
        for search in client.search_runs(experiments, where, order_by=order):
            trials = client.search_runs([search.info.experiment_id], views.trials_of(search.info.run_id))
            by_verdict: dict[str, list[str]] = {}
            for trial in trials:
                by_verdict.setdefault(trial.data.tags.get(VERDICT, ""), []).append(trial.info.run_id)
            sick = by_verdict.get("critical", []) + by_verdict.get("warning", [])
            if sick and by_verdict.get("healthy"):
                links = mlflow_ui.links_of(client, base, search, "")
                return _Search(
                    search.info.experiment_id,
                    search.info.run_id,
                    links["compare"],
                    links["by health"],
                    (*sick[:3], *by_verdict["healthy"][:3]),
                    sick[0],
                )
    sys.exit("mlflow_screenshots: the store has no search with healthy and sick trials; make one with: make demo")


def _take(
    browser: Any, name: str, url: str, is_ready: str, prepare: Callable[[Any], None] = lambda _browser: None
) -> None:
    """Photograph a page as soon as it is there."""
    browser.get("about:blank")
    browser.get(url)
    _wait(browser, is_ready)
    prepare(browser)
    time.sleep(_SETTLED)
    browser.execute_script(_WITHOUT_FOLDER)
    _save(browser.get_screenshot_as_png(), IMAGES / f"mlflow-{name}.png")


def _wait(browser: Any, script: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not browser.execute_script(script):
        if time.monotonic() > deadline:
            sys.exit(f"mlflow_screenshots: {browser.current_url} is not there after {_PATIENCE:.0f} s")
        time.sleep(0.2)


def _select(browser: Any) -> None:
    """Tick the first rows and the last."""
    last = browser.execute_script(f"return {_ROWS}.length") - 1
    for row in (0, 3, last - 1, last):
        script = f"document.querySelector('[role=row][row-index=\"{row}\"] input[type=checkbox]').click()"
        browser.execute_script(script)
        time.sleep(0.3)


def _to_tags(browser: Any) -> None:
    """Scroll to what the runs were diagnosed with."""
    script = """
    const cells = [...document.querySelectorAll('td, th, div')];
    const found = cells.find(e => e.innerText?.trim() == 'diagnosis.root_cause');
    if (found) found.scrollIntoView({block: 'center'});
    return Boolean(found);
    """
    _wait(browser, script)


def _save(picture: bytes, path: Path) -> None:
    """Write a picture in few colours, which the pages of the UI get along with."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    print(f"{path.relative_to(IMAGES.parents[1])}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
