"""How long MLflow's table of runs takes to show, in a browser without a window."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tests.browsers import chromium

_MOST_SECONDS = 120.0
#: The runs in the order in which the table shows them; ag-grid places rows by style, not by their order in the page.
_ROWS = """
return [...document.querySelectorAll('.ag-center-cols-container .ag-row, .ag-pinned-left-cols-container .ag-row')]
  .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))
  .map(row => row.innerText).filter(text => text.trim());
"""


def seconds_to_show(address: str, experiment_id: str, expected: Sequence[str]) -> list[float]:
    """Return the seconds until the table of an experiment, sorted by health, shows one of these runs in its first row.

    The first figure is that of a browser with an empty profile, the second that of the same page loaded again.
    """
    key = quote("metrics.`health/score`", safe="")
    url = f"{address}/#/experiments/{experiment_id}/runs?orderByKey={key}&orderByAsc=false&startTime=ALL"
    taken = []
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as driver:
        driver.set_window_size(1600, 1000)
        for _ in range(2):
            driver.get("about:blank")
            start = time.perf_counter()
            driver.get(url)
            rows: list[str] = []
            while not (rows and any(name in rows[0] for name in expected)):
                if time.perf_counter() - start > _MOST_SECONDS:
                    raise SystemExit(f"{url} shows no run of {expected[:3]} first; it shows {rows[:3]}")
                time.sleep(0.05)
                rows = driver.execute_script(_ROWS)
            taken.append(time.perf_counter() - start)
    return taken
