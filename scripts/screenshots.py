"""Take the picture of the README: the page of an example run.

    python -m scripts.screenshots        # needs Chromium

Writes ``docs/images/page.png``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from diagnose import diagnose
from diagnose.renderers import html

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "page.png"
EXAMPLE = "examples/logs/overfitting.csv"
_SIZE = (1000, 1060)


def main() -> None:
    """Render the report and photograph it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("screenshots: no Chromium found; install it (Debian: apt-get install chromium)")
    IMAGE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(html.render(diagnose(EXAMPLE)), encoding="utf-8")
        subprocess.run(
            [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}/profile",
                f"--window-size={_SIZE[0]},{_SIZE[1]}", f"--screenshot={IMAGE}", page.as_uri(),
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
