"""What a hyperparameter may be, and how it is written."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.errors import ConfigError
from tuners.search.parameter import DIGITS, Parameter, described, rounded

RATE = Parameter("optimizer.learning_rate", "float", 1e-5, 0.1, log=True)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"low": 1e-5, "high": 0.1, "log": True}, "1e-05 .. 0.1, log"),
        ({"low": 0, "high": 0.5, "step": 0.1}, "0 .. 0.5, step 0.1"),
        ({"low": 0.001, "high": 1, "step": 10, "log": True}, "0.001 .. 1, log, step ×10"),
        ([0.1, 0.2], "0.1 | 0.2"),
    ],
)
def test_a_description_for_people(content, text):
    assert (
        described("optimizer.learning_rate" if "log" in content else "regularization.dropout", content).describe()
        == text
    )


def test_whether_a_range_is_of_whole_numbers_is_told_by_the_setting():
    assert described("model.width", {"low": 16.0, "high": 64}).kind == "int"
    assert described("optimizer.weight_decay", {"low": 0, "high": 1}).kind == "float"
    assert described("hyperparameters.units", {"low": 1, "high": 8}).kind == "int"
    assert described("hyperparameters.share", {"low": 0, "high": 1.0}).kind == "float"


def test_names_of_strengths_become_what_the_configuration_has():
    assert described("data.augmentation", ["none", "light"]).values == (0.0, 0.333333)


def test_lists_of_names_are_written_with_commas():
    assert described("data.augmentation_families", [["noise"], ["noise", "colour"]]).values == ("noise", "noise,colour")


def test_true_and_false_are_no_numbers():
    assert described("model.batch_norm", [True, False]).kind == "bool"
    assert described("hyperparameters.n", [0, 1]).kind == "choice"
    assert not described("hyperparameters.n", [0, 1]).holds(True)


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("optimizer.lr", [1, 2], "no setting 'optimizer.lr'; did you mean optimizer"),
        ("model.activation", ["relu", "glu"], "did you mean gelu"),
        ("model.activation", {"low": 0, "high": 1}, r"list its values: \[auto, relu"),
        ("regularization.dropout", {"low": 0, "high": 1}, "regularization.dropout: .*less than 1, not 1"),
        ("regularization.l2", {"low": 0, "high": 0.1, "log": True}, "a log scale begins above 0"),
        ("model.depth", {"low": 4, "high": 1}, "low must be below high, not 4 .. 1"),
        ("model.depth", {"low": 1}, "needs low and high"),
        ("model.depth", {"low": 1, "high": 4, "stp": 1}, "what is 'stp'. did you mean step"),
        ("model.depth", {"low": 1, "high": 4, "step": 0.5}, "whole number above 0"),
        ("model.depth", {"low": 1, "high": 4, "step": 9}, "longer than the range"),
        ("optimizer.learning_rate", {"low": 0.1, "high": 1, "log": True, "step": 1}, "a factor above 1"),
        ("model.depth", {"low": 1, "high": 4, "log": "yes"}, "log is true or false"),
        ("model.depth", {"low": "1", "high": 4}, "an end of a range is a number"),
        ("model.depth", {"values": [1, 2], "low": 1}, "not both"),
        ("model.depth", [], "has no values"),
        ("hyperparameters.x", [1, "a"], "of one kind"),
        ("hyperparameters.x", [1.0, math.nan], "must be a number"),
        ("hyperparameters.x", [None, 1], "must be a number"),
        ("model.depth", {"low": 1, "high": 4, "when": [1]}, "when is a mapping"),
        ("model.depth", {"low": 1, "high": 4, "when": {"optimizer.name": ["adm"]}}, "did you mean adam"),
    ],
)
def test_what_is_no_parameter_is_told_in_a_line(path, content, said):
    with pytest.raises(ConfigError, match=said) as caught:
        described(path, content)
    assert "\n" not in str(caught.value)


def test_a_grid_has_all_values_or_five_of_a_range():
    assert described("model.depth", {"low": 1, "high": 4}).grid() == (1, 2, 3, 4)
    assert described("model.width", {"low": 16, "high": 256, "log": True}).grid() == (16, 32, 64, 128, 256)
    assert RATE.grid() == (1e-5, 1e-4, 1e-3, 1e-2, 0.1)
    steps = described("regularization.dropout", {"low": 0, "high": 0.5, "step": 0.05}).grid()
    assert steps == (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def test_a_reverse_log_scale_is_dense_at_the_end():
    reverse = Parameter("hyperparameters.x", "float", 1.0, 100.0, log=True, reverse=True)
    assert reverse.at(0.5) == 91
    assert (reverse.at(0.0), reverse.at(1.0)) == (1, 100)


def test_a_grid_of_a_reverse_log_scale_has_few_digits():
    reverse = Parameter("hyperparameters.x", "float", 0.001, 0.3, step=3, log=True, reverse=True)
    assert reverse.grid() == (0.058, 0.22, 0.274, 0.292, 0.298, 0.3)
    assert all(reverse.holds(reverse.plain(value)) for value in reverse.grid())


def test_numbers_of_numpy_become_pythons():
    width = Parameter("model.width", "int", 1, 100)
    assert [type(width.plain(value)) for value in (np.int64(3), np.float64(3.0), 3.0)] == [int, int, int]
    assert type(RATE.plain(np.float32(0.01))) is float
    assert type(Parameter("model.batch_norm", "bool", values=(False, True)).plain(np.bool_(True))) is bool


ends = st.floats(1e-6, 1e3, allow_nan=False)


@given(low=ends, high=ends, share=st.floats(0, 1), log=st.booleans(), reverse=st.booleans())
def test_every_value_of_a_range_is_in_it_and_has_few_digits(low, high, share, log, reverse):
    low, high = rounded(min(low, high)), rounded(max(low, high))
    parameter = Parameter("hyperparameters.x", "float", low, high, log=log, reverse=log and reverse)
    value = parameter.at(share)
    assert parameter.holds(value)
    assert value == float(f"{value:.{DIGITS}g}")
    assert parameter.plain(value) == value, "what is recorded is what is used"


@given(low=st.integers(1, 50), span=st.integers(1, 500), step=st.none() | st.integers(1, 20), share=st.floats(0, 1))
def test_whole_numbers_stay_whole_and_on_their_steps(low, span, step, share):
    parameter = Parameter("hyperparameters.x", "int", low, low + span, step)
    value = parameter.at(share)
    assert type(value) is int
    assert parameter.holds(value)
    assert step is None or (value - low) % step == 0


@given(
    st.builds(
        Parameter,
        path=st.just("hyperparameters.x"),
        kind=st.sampled_from(["float", "int"]),
        low=st.integers(1, 5),
        high=st.integers(6, 9),
        step=st.none() | st.just(2),
        log=st.booleans(),
        default=st.none() | st.integers(1, 9),
        conditions=st.just((("optimizer.name", ("sgd", "adam")),)) | st.just(()),
    )
)
def test_json_keeps_it(parameter):
    content = json.loads(json.dumps(parameter.to_dict()))
    assert Parameter.from_dict("hyperparameters.x", content) == parameter
    assert content["text"] == parameter.describe()
