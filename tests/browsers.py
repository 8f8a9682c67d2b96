"""Chromium without a window, and what tests ask of a page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

#: WCAG 2 contrast of every text against the background behind it; pairs of (contrast, text) below a limit.
FAINT_TEXTS = """
function channels(color) { return color.match(/[\\d.]+/g).map(Number); }
function luminance(color) {
  const [r, g, b] = channels(color).map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const c = channels(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return getComputedStyle(e).backgroundColor;
  }
  return 'rgb(255, 255, 255)';
}
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode, element = text.parentElement;
  if (!text.data.trim() || element.closest('style') || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const ink = element.closest('svg') ? style.fill : style.color;
  const [a, b] = [luminance(ink), luminance(ground(element))];
  const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (contrast < arguments[0]) faint.push([contrast, text.data.trim()]);
}
return faint;
"""


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Yield a driver of a browser with an empty profile, which logs what it loads and what goes wrong."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
