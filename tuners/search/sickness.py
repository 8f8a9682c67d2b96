"""What distinguishes the sick trials from the others: "7 of 8 trials with divergence had learning_rate > 0.03"."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.renderers.wording import number
from tuners.search import wording
from tuners.search.columns import Column, Kind, columns, settled
from tuners.search.records import SearchRecord, TrialRecord

#: Probability with which chance alone may make a setting look guilty, over all kinds of sickness of a search.
_LEVEL = 0.05
#: Shuffles of who is sick; more than 1 / `_LEVEL` times the kinds of sickness that a search may have.
_SHUFFLES = 1999
#: Cuts tried in the values of one setting; at quantiles, where there are more.
_CUTS = 60
#: Values of a setting that are a choice of numbers rather than a range.
_FEW = 8
_EXAMPLES = 3
#: All kinds of sickness together.
ANY = "a fault of any kind"

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Separation:
    """A setting that sick trials have and others do not.

    Parameters
    ----------
    path
        Of the setting.
    condition
        Of its value, after its name: ``> 0.03``, ``= sgd``.
    sick, others
        How many of the sick trials meet it, and of the trials that are not sick.
    p_value
        Probability that chance alone separates any setting at any cut as well as this.
    """

    path: str
    condition: str
    sick: int
    others: int
    p_value: float


@dataclass(frozen=True)
class Sickness:
    """One kind of sickness.

    Parameters
    ----------
    kind
        A check, or what made trials fail: ``divergence``, ``out of memory``; `ANY` for all of them together.
    trials
        Numbers of the trials that have it.
    others
        How many trials are not sick at all.
    separation
        What sets them apart; None where nothing does for certain.
    example
        The reason of one of them, whole.
    """

    kind: str
    trials: tuple[int, ...]
    others: int
    separation: Separation | None
    example: str


def sickness(record: SearchRecord) -> list[Sickness]:
    """Return the kinds of sickness of a search, the most frequent first; before them all together, if that tells more.

    Notes
    -----
    Each kind is held against the trials that are not sick. Every value of a setting cuts the trials in two, above and
    below, and every category sets its trials apart; Fisher's exact test (one-sided) says how improbable such a share of
    sick trials is. The best of hundreds of cuts looks good by chance, so its p-value is compared with the best of as
    many cuts where the same number of trials, drawn at random, is called sick (min-P of Westfall & Young 1993;
    Bonferroni's correction would take neighbouring cuts for independent, and find nothing in small searches). Of the
    level one half is for all kinds together, and the kinds share the other. What is not significant is not told.
    """
    trials = settled(record)
    kinds: dict[str, list[int]] = defaultdict(list)
    for position, trial in enumerate(trials):
        if kind := wording.sickness(trial):
            kinds[kind].append(position)
    well = [position for position, trial in enumerate(trials) if not trial.is_sick]
    ordered = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    levels = {kind: _LEVEL / len(kinds) for kind in kinds}
    if len(kinds) > 1:  # few trials of each kind may say nothing where all of them together do
        ordered.insert(0, (ANY, sorted(position for sick in kinds.values() for position in sick)))
        levels = {kind: level / 2 for kind, level in levels.items()} | {ANY: _LEVEL / 2}
    found = [
        Sickness(
            kind=kind,
            trials=tuple(trials[i].number for i in sick),
            others=len(well),
            separation=_separation(record, [trials[i] for i in sick], [trials[i] for i in well], levels[kind]),
            example=wording.one_line(trials[sick[0]].reason or f"critical: {kind}"),
        )
        for kind, sick in ordered
    ]
    return [item for item in found if item.kind != ANY or item.separation]


def sentences(found: Sequence[Sickness]) -> list[str]:
    """Return a sentence for each kind of sickness."""
    names = wording.short_names({item.separation.path for item in found if item.separation})
    return [_sentence(item, names) for item in found]


def text(record: SearchRecord, width: int = 80, found: Sequence[Sickness] | None = None) -> str:
    """Return which trials were sick and what they have in common, as plain text.

    Parameters
    ----------
    record
        The search.
    width
        Columns.
    found
        What `sickness` returned for it, where that is known.
    """
    found = sickness(record) if found is None else found
    if not found:
        return "No trial was sick."
    return "\n".join(line for sentence in sentences(found) for line in wording.wrapped(sentence, width, "  "))


def _sentence(item: Sickness, names: dict[str, str]) -> str:
    total, found = len(item.trials), item.separation
    if found is None:
        listed = ", ".join(map(str, item.trials[:_EXAMPLES])) + (", ..." if total > _EXAMPLES else "")
        noun = "trial" if total == 1 else "trials"
        return f"{total} {noun} with {item.kind} ({listed}); no setting sets them apart for certain."
    who = f"All {total}" if found.sick == total else f"{found.sick} of {total}"
    others = f"none of the {item.others}" if not found.others else f"{found.others} of the {item.others}"
    return f"{who} trials with {item.kind} had {names[found.path]} {found.condition} ({others} that were not sick)."


@dataclass(frozen=True, eq=False)
class _Cut:
    """One way to tell trials apart by one setting."""

    column: Column
    condition: str
    meets: Flags


def _separation(
    record: SearchRecord, sick: Sequence[TrialRecord], well: Sequence[TrialRecord], level: float
) -> Separation | None:
    """Return the setting that separates best, where chance would not do as well."""
    trials = [*sick, *well]
    cuts = [cut for column in columns(record, trials) for cut in _cuts(column)] if len(sick) > 1 and well else []
    if not cuts:
        return None
    meets = np.array([cut.meets for cut in cuts])
    is_sick = np.arange(len(trials)) < len(sick)
    table = _p_values(meets.sum(axis=1), len(sick), len(trials))
    rows = np.arange(len(cuts))
    counts = meets[:, is_sick].sum(axis=1)
    p_values = table[rows, counts]
    best = int(p_values.argmin())
    by_chance = table[rows[:, None], _counts_by_chance(meets, len(sick))].min(axis=0)
    # A relative margin, for equal probabilities may differ in their last bits.
    p_value = (1 + int((by_chance <= p_values[best] * (1 + 1e-9)).sum())) / (1 + _SHUFFLES)
    if p_value > level:
        return None
    cut, met = cuts[best], int(counts[best])
    return Separation(cut.column.path, cut.condition, met, int(cut.meets.sum()) - met, p_value)


def _p_values(sizes: NDArray[np.int_], sick: int, total: int) -> NDArray[np.float64]:
    """Return Fisher's one-sided p-value of each cut for each number of sick trials in it, shape (cuts, sick + 1)."""
    from scipy.stats import hypergeom

    counts = np.arange(sick + 1)
    unique, where = np.unique(sizes, return_inverse=True)
    return np.asarray(hypergeom.sf(counts[None] - 1, total, unique[:, None], sick))[where]


def _counts_by_chance(meets: Flags, sick: int) -> NDArray[np.int_]:
    """Return how many of the sick each cut has where it is drawn who is sick, shape (cuts, shuffles)."""
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.tile(np.arange(meets.shape[1]) < sick, (_SHUFFLES, 1)), axis=1)
    return np.asarray(meets.astype(np.float32) @ drawn.T.astype(np.float32)).round().astype(np.int_)


def _cuts(column: Column) -> Iterator[_Cut]:
    """Yield the ways in which a setting tells trials apart; those that do not have it are on no side."""
    if column.kind is Kind.CATEGORY:
        for item in column.distinct:
            yield _Cut(column, f"= {wording.value(item)}", np.array([value == item for value in column.values]))
        return
    numbers, distinct = column.numbers(), column.distinct
    last = len(distinct) - 1
    between = np.linspace(1, last, min(last, _CUTS)).round().astype(int)
    for i in map(int, between):
        above, below = _conditions(distinct, i)
        yield _Cut(column, above, numbers >= distinct[i])
        yield _Cut(column, below, numbers < distinct[i])


def _conditions(distinct: Sequence[float], i: int) -> tuple[str, str]:
    """Return what the values from the i-th on meet, and those before: few values by name, else by a round number."""
    if len(distinct) > _FEW:
        at = number(_round_between(distinct[i - 1], distinct[i]), 6)
        return f"> {at}", f"<= {at}"
    first, last = wording.value(distinct[i]), wording.value(distinct[i - 1])
    return ("= " if i == len(distinct) - 1 else ">= ") + first, ("= " if i == 1 else "<= ") + last


def _round_between(low: float, high: float) -> float:
    """Return the number with the fewest digits from low up to, but not including, high; none is between: low."""
    if low == high:
        return low
    middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
    for digits in range(1, 17):
        rounded = float(f"{middle:.{digits}g}")
        if low <= rounded < high:
            return rounded
    return low
