"""How much each hyperparameter mattered for the score, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuners.search import wording
from tuners.search.columns import Column, Kind, columns, settled
from tuners.search.records import SearchRecord, TrialRecord

#: Fewest trials that are looked at. With fewer, a setting that decides nearly everything among four is told from noise
#: in less than half of the searches (simulated, see docs/search-results.md): silence would be taken for "none matters".
LEAST_TRIALS = 20

_SPLITS, _HELD_OUT = 15, 0.3
_TREES, _SHUFFLES = 20, 4
#: Share of the trials that counts as the best, and the fewest of them.
_BEST, _LEAST_BEST = 0.2, 3
#: Share of the best that a category needs to be named.
_NAMED = 0.25
_FEW_BEST = 10
_BAR = 20

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """What one hyperparameter meant for the score.

    Parameters
    ----------
    path
        Of the setting.
    share
        Part of the variance of the trials' ranks that depends on it, alone or together with others: 0 to 1. Shares may
        add up to more than 1, for what two settings do together counts for both, and to less, for chance has its part.
    low, high
        95 % interval of the share; where it includes 0, the setting cannot be told from noise.
    best_range
        Where the best trials lie: ``0.0008 to 0.004``, ``adam, rmsprop``.
    """

    path: str
    share: float
    low: float
    high: float
    best_range: str

    @property
    def is_known(self) -> bool:
        """Whether it can be told from noise."""
        return self.low > 0


def importance(record: SearchRecord) -> list[Importance]:
    """Return the importance of each hyperparameter that trials differ in, the most important first.

    Empty where there are too few trials to tell (`LEAST_TRIALS`), or none differ.

    Notes
    -----
    A random forest predicts the rank of a trial's score from its settings (Hutter, Hoos & Leyton-Brown 2014 do so for
    scores; ranks do not let one diverged loss outweigh all the others). A setting's importance is how much worse the
    forest ranks trials that it has not seen once the setting is shuffled among them (Breiman 2001): half of the added
    squared error, over the variance of ranks, estimates the total-effect index of Sobol (Homma & Saltelli 1996;
    Gregorutti et al. 2017).

    The forest is fitted on 70 % of the trials and tried on the other 30 %, fifteen times. These splits share trials, so
    the interval is Student's t with the variance of Nadeau & Bengio (2003), (1 / splits + tested / fitted) times that
    between splits.

    Failed trials share the last rank. A setting that only some trials have is shuffled among those, and the others are
    given its middle value, so that only the setting it depends on tells them apart.
    """
    trials = settled(record)
    columns_ = columns(record, trials)
    if len(trials) < LEAST_TRIALS or not columns_:
        return []
    ranks = _ranks(record, trials)
    shares = _shares(columns_, ranks) if np.ptp(ranks) > 0 else np.zeros((_SPLITS, len(columns_)))
    best = _best(record, trials)
    found = [_judged(column, shares[:, i], best) for i, column in enumerate(columns_)]
    return sorted(found, key=lambda item: (not item.is_known, -item.share))


def text(record: SearchRecord, width: int = 80, found: Sequence[Importance] | None = None) -> str:
    """Return the importance of the hyperparameters as plain text.

    Parameters
    ----------
    record
        The search.
    width
        Columns.
    found
        What `importance` returned for it, where that is known.
    """
    found = importance(record) if found is None else found
    if not found:
        return "\n".join(wording.wrapped(why_not(record), width))
    names = wording.short_names(item.path for item in found)
    known = [item for item in found if item.is_known]
    name_width = min(max(len(name) for name in names.values()), max(12, width // 3))
    lines = []
    for item in known:
        bar = "#" * max(1, round(item.share * _BAR)) if width >= 72 else ""
        head = f"{names[item.path][:name_width]:{name_width}}  {percent(item):17}"
        line = f"{head}  {bar:{_BAR}}" if bar else head
        best = f"best: {item.best_range}"
        lines += [f"{line}  {best}"] if len(line) + len(best) + 2 <= width else [line.rstrip(), f"    {best}"[:width]]
    if unknown := [names[item.path] for item in found if not item.is_known]:
        lines += wording.wrapped(f"Cannot be told from noise: {', '.join(unknown)}.", width)
    return "\n".join(lines)


def percent(item: Importance) -> str:
    """Return ``41 % (28-54)``."""
    share, low, high = (round(100 * min(1.0, max(0.0, part))) for part in (item.share, item.low, item.high))
    return f"{share:3} % ({low}-{high})"


def why_not(record: SearchRecord) -> str:
    """Return in a sentence why `importance` is empty."""
    trials = settled(record)
    if len(trials) < LEAST_TRIALS:
        return f"Not enough trials to tell: {len(trials)} are over, at least {LEAST_TRIALS} are needed."
    return "All trials have the same settings."


def _ranks(record: SearchRecord, trials: Sequence[TrialRecord]) -> Matrix:
    """Return the ranks of the trials from 0, the best, to 1; equal scores share one."""
    from scipy.stats import rankdata

    scores = [trial.score for trial in trials]
    costs = [math.inf if s is None or not math.isfinite(s) else record.objective.cost(s) for s in scores]
    return np.asarray((rankdata(costs) - 1) / (len(costs) - 1), dtype=np.float64)


def _shares(columns_: Sequence[Column], ranks: Matrix) -> Matrix:
    """Return the share of each column in each split, shape (splits, columns)."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import ShuffleSplit

    blocks = [_encoded(column) for column in columns_]
    present = [np.array([value is not None for value in column.values]) for column in columns_]
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
    inputs, variance = np.hstack(blocks), float(np.var(ranks))
    rng = np.random.default_rng(0)
    shares = np.empty((_SPLITS, len(columns_)))
    for number, (fitted, tried) in enumerate(ShuffleSplit(_SPLITS, test_size=_HELD_OUT, random_state=0).split(inputs)):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, max_features=0.7, random_state=number)
        forest.fit(inputs[fitted], ranks[fitted])
        shuffled = [
            _shuffled(inputs[tried], slice(ends[i], ends[i + 1]), present[i][tried], rng)
            for i in range(len(columns_))
            for _ in range(_SHUFFLES)
        ]
        # One call for all: the cost of a call is that of thousands of rows.
        predicted = forest.predict(np.vstack([inputs[tried], *shuffled])).reshape(-1, len(tried))
        errors = np.mean((predicted - ranks[tried]) ** 2, axis=1)
        added = errors[1:].reshape(len(columns_), _SHUFFLES).mean(axis=1) - errors[0]
        shares[number] = added / (2 * variance)
    return shares


def _encoded(column: Column) -> Matrix:
    """Return a column as numbers: as it is, or one column for each category; what is missing as the middle value."""
    if column.kind is not Kind.CATEGORY:
        numbers = column.numbers()
        numbers = np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)
        return np.log(numbers)[:, None] if column.kind is Kind.LOG else numbers[:, None]
    known = [value for value in column.values if value is not None]
    usual = max(column.distinct, key=known.count)
    filled = [usual if value is None else value for value in column.values]
    return np.array([[float(value == category) for category in column.distinct] for value in filled])


def _shuffled(inputs: Matrix, block: slice, present: NDArray[np.bool_], rng: np.random.Generator) -> Matrix:
    """Return the inputs with one setting shuffled among the trials that have it."""
    changed, rows = inputs.copy(), np.flatnonzero(present)
    changed[rows, block] = inputs[rng.permutation(rows), block]
    return changed


def _judged(column: Column, shares: Matrix, best: Sequence[int]) -> Importance:
    """Return the mean over the splits with its interval."""
    from scipy.stats import t

    mean = float(shares.mean())
    spread = math.sqrt((1 / _SPLITS + _HELD_OUT / (1 - _HELD_OUT)) * float(shares.var(ddof=1)))
    half = float(t.ppf(0.975, _SPLITS - 1)) * spread
    return Importance(column.path, mean, mean - half, mean + half, _best_range(column, best))


def _best(record: SearchRecord, trials: Sequence[TrialRecord]) -> list[int]:
    """Return the positions of the best trials."""
    position = {trial.number: i for i, trial in enumerate(trials)}
    known = [trial for trial in record.ranked() if trial.number in position]
    return [position[trial.number] for trial in known[: max(_LEAST_BEST, round(_BEST * len(trials)))]]


def _best_range(column: Column, best: Sequence[int]) -> str:
    """Return where the best trials lie; of categories those that a good part of them has."""
    found = [column.values[i] for i in best if column.values[i] is not None]
    if not found:
        return ""
    if column.kind is Kind.CATEGORY:
        often = [item for item in column.distinct if found.count(item) >= _NAMED * len(found)]
        return ", ".join(wording.value(item) for item in sorted(often, key=lambda item: -found.count(item)))
    # The middle 80 %, of few all: one stray among a hundred would make it the whole range.
    ends = np.quantile(found, (0.1, 0.9), method="nearest") if len(found) > _FEW_BEST else (min(found), max(found))
    low, high = (wording.value(type(found[0])(end)) for end in ends)
    return low if low == high else f"{low} to {high}"
