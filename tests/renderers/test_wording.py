"""Words and numbers."""

import math

import pytest

from diagnose.finding import LayerTable
from diagnose.fix import Change
from diagnose.renderers import wording
from tests.renderers import samples


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.41234, "0.4123"),
        (12345.6, "12346"),
        (1e-5, "1e-5"),
        (1.5e30, "1.5e30"),
        (-2.0, "-2"),
        (math.nan, "NaN"),
        (-math.inf, "-infinity"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(("confidence", "text"), [(1.0, "100 % sure"), (0.999, "99 % sure"), (0.5, "50 % sure")])
def test_only_certainty_is_a_hundred_percent(confidence: float, text: str) -> None:
    assert wording.sureness(confidence) == text


def test_layers_are_listed_from_the_worst() -> None:
    rows = (("a", 0.1), ("b", math.nan), ("c", 0.9), ("d", 0.5))
    table = LayerTable(label="dead", value=0.9, statistic="dead_fraction", epoch=3, rows=rows)

    assert wording.evidence(table) == "dead: 0.9; epoch 3: c 0.9, d 0.5, a 0.1, b NaN"


def test_a_change_is_told_with_its_bounds() -> None:
    assert wording.change(Change("optimizer.learning_rate", "multiply", 0.1, low=1e-6)) == (
        "multiply optimizer.learning_rate by 0.1 (at least 1e-6)"
    )


def test_a_rationale_has_why_what_for_and_cost() -> None:
    assert wording.rationale(samples.LOOK_AT_LABELS) == (
        "Labels that do not belong to their inputs cannot be learned. For the case: labels unrelated to inputs. "
        "Cost: Ten minutes."
    )


def test_both_ends_of_a_long_name_stay() -> None:
    assert wording.shorten("block_1/conv2d/kernel", 11) == "block…ernel"


@pytest.mark.parametrize(
    ("values", "width", "written"),
    [
        ([0.5, 1.0, 1.5], 8, ["0.5", "1", "1.5"]),
        ([2.30257, 2.30259, 2.30261], 8, ["2.30257", "2.30259", "2.30261"]),
        ([10000.25, 10000.5], 12, ["10000.25", "10000.5"]),
        ([-1.2345e12, 0.0], 8, ["-1.23e12", "0"]),
        ([4.94e-324, 1.72e-316], 8, ["4.9e-324", "1.7e-316"]),
        ([], 8, []),
    ],
)
def test_ticks_tell_numbers_apart_and_are_never_cut(values: list[float], width: int, written: list[str]) -> None:
    assert wording.ticks(values, width) == written
