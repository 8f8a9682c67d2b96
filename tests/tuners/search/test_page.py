"""A search as a page: everything is in it, everything is escaped, and what is missing is left out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.browsers import CHROMIUM, DRIVER, FAINT_TEXTS, chromium
from tests.renderers.test_browser import show as open_page
from tests.tuners.search import made_searches as made
from tuners.search import page
from tuners.search.records import SearchRecord

PAYLOAD = "</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Counts what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def of(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.found if t == tag and css in [*(a.get("class") or "").split(), ""]]


@pytest.fixture(scope="module")
def lifelike(tmp_path_factory: pytest.TempPathFactory) -> SearchRecord:
    record = made.lifelike(40, folder=tmp_path_factory.mktemp("search"))
    made.write_logs(record)
    return record


def test_every_trial_has_a_row_and_a_line_through_its_settings(lifelike: SearchRecord) -> None:
    tags = Tags(page.render(lifelike))

    rows = [a["data-trial"] for a in tags.of("tr") if "data-trial" in a]
    lines = [a for a in tags.of("path", "trial") if "data-at" in a]
    assert sorted(rows, key=str) == sorted((str(t.number) for t in lifelike.trials), key=str)
    assert rows[0] == str(lifelike.ranked()[0].number)
    assert len(lines) == 40
    assert all(len((line["data-at"] or "").split()) == 5 for line in lines)  # four settings and the score
    best = [line["data-trial"] for line in lines if "best" in (line["class"] or "").split()]
    assert best == [str(lifelike.ranked()[0].number)]


def test_trials_without_a_setting_are_sorted_behind_the_others() -> None:
    trials = [made.trial(0, {"units": 8, "kind": "a"}), made.trial(1, {"kind": "b"}), made.trial(2, {"units": 9})]
    text = page.render(made.search(trials, space={}))

    keys = {a["data-sort"] for a in Tags(text).of("td")}
    assert {"8.0", "9.0", "a", "b", ""} <= keys
    assert "-" not in keys


def test_every_log_is_a_curve_and_sick_ones_are_marked(lifelike: SearchRecord) -> None:
    tags = Tags(page.render(lifelike))

    curves = {a["data-trial"] for a in tags.of("path", "trial") if "data-trial" in a and "data-at" not in a}
    assert curves == {str(t.number) for t in lifelike.trials if lifelike.logs(t)}
    assert {a["data-trial"] for a in tags.of("path", "end")} == {
        str(t.number) for t in lifelike.trials if t.state == "pruned"
    }


def test_a_log_that_is_missing_or_torn_is_left_out(tmp_path: Path) -> None:
    record = made.search([made.trial(i, {"x": i}) for i in range(4)], folder=tmp_path)
    made.write_logs(record)
    (tmp_path / "trials/0000/run.csv").unlink()
    (tmp_path / "trials/0001/run.csv").write_bytes(b"\x00\xff\x00")
    (tmp_path / "trials/0002/run.csv").write_text("epoch,loss,val_accuracy\n0,1.0,0.3\n1,0.9,0.4\n2,0.")

    text = page.render(record)
    curves = {a["data-trial"] for a in Tags(text).of("path", "trial") if "data-trial" in a and "data-at" not in a}
    assert curves == {"2", "3"}
    assert "Of 2 trials there is no curve." in text


def test_nothing_is_loaded_and_the_only_script_is_the_one_that_the_policy_allows(lifelike: SearchRecord) -> None:
    text = page.render(lifelike)
    tags = Tags(text)

    assert not {tag for tag, _ in tags.found} & {"img", "link", "iframe", "object"}
    assert not [name for _, a in tags.found for name in a if name in ("src", "href") or name.startswith("on")]
    script = text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] or "" for a in tags.of("meta") if a.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    values = [{PAYLOAD: PAYLOAD}, {PAYLOAD: "other"}, {PAYLOAD: "third"}]
    trials = [made.trial(0, values[0]), made.failed(1, values[1], PAYLOAD), made.trial(2, values[2])]
    record = replace(
        made.search(trials, folder=tmp_path, settings={PAYLOAD: PAYLOAD}), recipe=PAYLOAD, data=PAYLOAD,
        objective=replace(made.ACCURACY, name=PAYLOAD),
    )  # fmt: skip
    assert {tag for tag, _ in Tags(page.render(record)).found} & {"img"} == set()
    assert page.render(record).count("<script>") == 1


@pytest.mark.parametrize(
    "trials",
    [[], [made.failed(0, {"x": 1.0}), made.failed(1, {"x": 2.0})], [made.trial(0, state="running")], [made.trial(0)]],
    ids=["none", "all-failed", "running", "one"],
)
def test_small_searches_are_drawn_too(trials: list[Any], tmp_path: Path) -> None:
    assert "</html>" in page.render(made.search(trials, folder=tmp_path))


def test_the_head_has_objective_best_trial_budget_and_the_winners_test_score(tmp_path: Path) -> None:
    scores = [{"metric": "log_loss", "value": 0.125}, {"metric": "accuracy", "value": 0.9375}]
    winner = {"test": {"main": "accuracy", "scores": scores}}
    record = made.search(
        [made.trial(3, score=0.75)], winner=winner, settings={"trials": 50, "time": 900.0}, folder=tmp_path
    )
    text = page.render(record)

    for name, value in (
        ("Judged by", "val_accuracy (more is better)"), ("Best", "0.75 (trial 3)"), ("Trials at most", "50"),
        ("Time at most", "15 min"), ("Test accuracy of the winner", "0.9375"),
    ):  # fmt: skip
        assert f"<dt>{name}</dt><dd>{value}</dd>" in text


def test_a_line_goes_below_the_axis_where_a_trial_has_no_value(tmp_path: Path) -> None:
    trials = [made.trial(0, {"x": 1.0, "y": 1.0}), made.trial(1, {"x": 2.0}), made.trial(2, {"x": 3.0, "y": 2.0})]
    lines = [
        a
        for a in Tags(page.render(made.search(trials, space={}, folder=tmp_path))).of("path", "trial")
        if "data-at" in a
    ]
    heights = {a["data-trial"]: float((a["data-at"] or "").split()[1]) for a in lines}
    assert heights["1"] > max(heights["0"], heights["2"])


def test_the_better_score_lies_above_also_where_less_is_better(tmp_path: Path) -> None:
    trials = [made.trial(i, {"x": float(i)}, score=score) for i, score in enumerate((0.1, 0.2, 0.9))]
    for objective, above in ((made.ACCURACY, "2"), (made.LOSS, "0")):
        record = made.search(trials, objective=objective, space={}, folder=tmp_path)
        lines = [a for a in Tags(page.render(record)).of("path", "trial") if "data-at" in a]
        assert min(lines, key=lambda a: float((a["data-at"] or "").split()[-1]))["data-trial"] == above


def test_a_diverged_loss_does_not_squash_the_others(tmp_path: Path) -> None:
    values = [{"x": float(i)} for i in range(4)]
    trials = [
        *(made.trial(i, values[i], score=0.1 * (i + 1)) for i in range(3)),
        made.diverged(3, values[3], score=1e9),
    ]
    record = made.search(trials, objective=made.LOSS, space={}, folder=tmp_path)
    lines = [a for a in Tags(page.render(record)).of("path", "trial") if "data-at" in a]
    heights = sorted(float((a["data-at"] or "").split()[-1]) for a in lines)
    assert heights[1] - heights[0] > 30


@pytest.mark.long
def test_a_page_of_1000_trials_is_no_larger_than_three_megabytes(tmp_path: Path) -> None:
    record = made.lifelike(1000, folder=tmp_path)
    made.write_logs(record)
    assert len(page.render(record).encode()) < 3_000_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def drawn(lifelike: SearchRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "search.html"
    path.write_text(page.render(lifelike), encoding="utf-8")
    return path


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")
class TestInABrowser:
    def test_the_console_is_silent_and_nothing_is_requested(self, browser: Any, drawn: Path) -> None:
        open_page(browser, drawn)
        assert browser.get_log("browser") == []
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_text_can_be_read(self, browser: Any, drawn: Path, scheme: str) -> None:
        open_page(browser, drawn, scheme=scheme)
        assert browser.execute_script(FAINT_TEXTS, 4.5) == []

    @pytest.mark.parametrize("width", [420, 768, 1280])
    def test_the_page_never_scrolls_sideways(self, browser: Any, drawn: Path, width: int) -> None:
        open_page(browser, drawn, width=width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width

    def test_a_click_on_a_column_sorts_by_numbers(self, browser: Any, drawn: Path, lifelike: SearchRecord) -> None:
        open_page(browser, drawn)
        script = (
            "document.querySelectorAll('.board th button')[1].click();"
            "return [...document.querySelectorAll('.board tbody tr')].map(row => row.dataset.trial)"
        )
        assert browser.execute_script(script) == [str(trial.number) for trial in lifelike.trials]

    def test_a_click_on_a_line_marks_its_row_and_tells_its_settings(self, browser: Any, drawn: Path) -> None:
        open_page(browser, drawn)
        script = (
            "const line = document.querySelector('svg.parallel path.trial');"
            "line.dispatchEvent(new MouseEvent('click'));"
            "const on = [...document.querySelectorAll('tr.on')].map(row => row.dataset.trial);"
            "return [line.dataset.trial, on, document.querySelector('.told').textContent]"
        )
        trial, marked, told = browser.execute_script(script)
        assert marked == [trial]
        assert told.startswith(f"Trial {trial}: ")
        assert "learning_rate" in told

    def test_it_can_be_used_with_the_keyboard(self, browser: Any, drawn: Path) -> None:
        open_page(browser, drawn)
        script = (
            "const key = (at, name) => at.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));"
            "const rows = document.querySelectorAll('.board tbody tr');"
            "rows[0].focus(); key(rows[0], 'ArrowDown'); key(document.activeElement, 'Enter');"
            "return [document.activeElement === rows[1], rows[1].getAttribute('aria-selected'),"
            " document.querySelectorAll('tr[tabindex=\"0\"]').length]"
        )
        assert browser.execute_script(script) == [True, "true", 1]

    def test_a_range_dragged_along_an_axis_leaves_the_trials_in_it(
        self, browser: Any, drawn: Path, lifelike: SearchRecord
    ) -> None:
        from selenium.webdriver import ActionChains

        open_page(browser, drawn)
        grip = browser.find_element("css selector", "svg.parallel .grip")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", grip)
        half = grip.size["height"] // 2
        ActionChains(browser).move_to_element_with_offset(grip, 0, -half + 2).click_and_hold().move_by_offset(
            0, half
        ).release().perform()
        hidden = browser.execute_script(
            "return [...document.querySelectorAll('tr.out')].map(row => Number(row.dataset.trial))"
        )
        rates = {trial.number: trial.values["optimizer.learning_rate"] for trial in lifelike.trials}
        left = [rate for number, rate in rates.items() if number not in hidden]
        assert hidden
        assert left
        assert min(left) >= max(rates[number] for number in hidden)

        browser.execute_script("document.querySelector('.clear').click()")
        assert browser.execute_script("return document.querySelectorAll('tr.out').length") == 0
