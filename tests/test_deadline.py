"""Calls that may hang."""

import threading

import pytest

from diagnose.deadline import within


def test_what_answers_in_time_is_returned():
    assert within(10, lambda: "answer") == "answer"
    assert within(10, lambda: None) is None


def test_what_fails_is_raised():
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 / 0)


def test_what_hangs_is_given_up():
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 seconds"):
        within(0.05, never.wait)
    never.set()
