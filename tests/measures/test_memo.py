from __future__ import annotations

import weakref
from dataclasses import dataclass

import pytest

from diagnose.measures.curve import curve_of
from diagnose.measures.learning import best_skill, gain_left
from diagnose.measures.memo import once_per_object
from diagnose.measures.roughness import roughness
from diagnose.measures.validation_rise import rise_of
from tests.curves import decay, run, series


@dataclass(frozen=True, eq=False)
class Thing:
    size: float


def counting(value: object = "measured"):
    """A measure, and the list of what it was asked to measure."""
    asked: list[Thing] = []

    @once_per_object
    def measure(thing: Thing) -> object:
        """What it measures."""
        asked.append(thing)
        return value

    return measure, asked


@pytest.mark.parametrize("value", ["measured", None, 0.0])
def test_an_object_is_measured_once(value):
    measure, asked = counting(value)
    thing = Thing(1.0)
    assert [measure(thing) for _ in range(3)] == [value] * 3
    assert asked == [thing]


def test_another_object_is_measured_anew_even_where_it_looks_the_same():
    measure, asked = counting()
    first, second = Thing(1.0), Thing(1.0)
    measure(first), measure(second)
    assert len(asked) == 2


def test_two_measures_of_an_object_are_kept_apart():
    thing = Thing(1.0)
    (one, _), (other, _) = counting("one"), counting("other")
    assert (one(thing), other(thing)) == ("one", "other")


def test_a_measure_that_failed_is_tried_again():
    asked = []

    @once_per_object
    def measure(thing: Thing) -> float:
        asked.append(thing)
        return 1 / (len(asked) - 1)

    thing = Thing(1.0)
    with pytest.raises(ZeroDivisionError):
        measure(thing)
    assert measure(thing) == 1.0


def test_what_was_measured_goes_with_the_object():
    values = []

    @once_per_object
    def measure(thing: Thing) -> Thing:
        values.append(Thing(2.0))
        return values.pop()

    thing = Thing(1.0)
    known = weakref.ref(measure(thing))
    assert known() is not None  # as long as the object lives
    del thing
    assert known() is None


def test_a_measure_keeps_its_name_and_its_page():
    measure, _ = counting()
    assert measure.__name__ == "measure"
    assert measure.__doc__ == "What it measures."


@pytest.mark.parametrize("measure", [rise_of, gain_left, roughness])
def test_the_measures_of_a_curve_are_taken_once(measure):
    curve = curve_of(series("val_loss", decay(50)))
    assert measure(curve) is measure(curve)


def test_the_skill_of_a_run_is_taken_once():
    a_run = run(loss=decay(50), accuracy=1 - decay(50))
    assert best_skill(a_run) is best_skill(a_run)
