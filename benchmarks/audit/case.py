"""A case of the corpus: what is audited, and what must be found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Subject:
    """What the audit is given; the parameters are those of `diagnose.audit.audit`."""

    model: Any = None
    data: Any = None
    batch_size: int | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Case:
    """One of the corpus.

    Parameters
    ----------
    name
        What was done, or what it is, in a few words.
    make
        Builds it anew.
    expected
        Ids of checks, any of which is the right finding; empty: it is sound.
    is_info
        Whether what is wrong is worth a mention and no more.
    """

    name: str
    make: Callable[[], Subject]
    expected: tuple[str, ...] = ()
    is_info: bool = False


CASES: list[Case] = []
#: Corpus -> where its cases are.
CORPORA = {
    "own": ("applications", "faulty_data", "faulty_models", "sound_data", "sound_models"),
    "first": tuple(
        f"held_out.first.{name}"
        for name in ("faulty_data", "faulty_outputs", "faulty_structure", "sound_data", "sound_models")
    ),
    "second": tuple(f"held_out.second.{name}" for name in ("faulty_data", "faulty_models", "sound")),
}


def faulty(*expected: str, is_info: bool = False) -> Callable[[Callable[[], Subject]], Callable[[], Subject]]:
    """Register a function as a faulty case; its name is the case's."""

    def register(make: Callable[[], Subject]) -> Callable[[], Subject]:
        CASES.append(Case(make.__name__.replace("_", " "), make, expected, is_info))
        return make

    return register


def sound(make: Callable[[], Subject]) -> Callable[[], Subject]:
    """Register a function as a sound case."""
    CASES.append(Case(make.__name__.replace("_", " "), make))
    return make


def all_cases(corpus: str = "own") -> Iterator[Case]:
    """Yield the cases of one of `CORPORA`, the sound ones last."""
    modules = [f"benchmarks.audit.{name}" for name in CORPORA[corpus]]
    for name in modules:
        import_module(name)
    mine = (case for case in CASES if getattr(case.make, "func", case.make).__module__ in modules)
    yield from sorted(mine, key=lambda case: not case.expected)
