"""Every architecture of ``keras.applications``, without weights: all of them are sound."""

from __future__ import annotations

import functools
import inspect

import keras

from benchmarks.audit.case import CASES, Case, Subject


def architectures() -> list[str]:
    """Return the names of the functions that build one."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and "weights" in inspect.signature(value).parameters
    )


def _built(name: str) -> Subject:
    model = getattr(keras.applications, name)(weights=None)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


CASES.extend(Case(f"keras.applications {name}", functools.partial(_built, name)) for name in architectures())
