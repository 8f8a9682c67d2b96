"""Which sample is for training, which for validation, which for the test: decided by data.split_seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from recipes.data.source import SPLITS
from recipes.errors import DataError

Rows = NDArray[np.int64]
#: Ways to deal out groups that are compared; fewer where there are so many groups that any draw comes near.
_DRAWS = 200
_DRAWN_GROUPS = 2_000_000


def split(
    samples: int,
    shares: Mapping[str, float],
    seed: int,
    strata: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, Rows]:
    """Deal samples out to the splits.

    Parameters
    ----------
    samples
        How many there are.
    shares
        ``validation`` and ``test`` -> share of the samples; a split that is not named, or whose share is 0, gets none.
        What the test gets does not depend on the validation.
    seed
        Of the draw.
    strata
        (n,) class or bin of each sample, to be as frequent in one split as in another. Strata that have fewer samples
        than there are splits are for training alone. Where there are too many strata for that, or too few
        samples are left for training, the draw heeds them only in that one sample of each stays for training.
    groups
        (n,) number of the group of each sample, from 0; a group is in one split only.

    Returns
    -------
    dict
        Split -> numbers of its samples, ascending; ``train`` is among them.

    Raises
    ------
    DataError
        There are too few samples, or groups.
    """
    sizes = _sizes(samples, {name: share for name, share in shares.items() if share})
    strata = np.zeros(samples, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    rest: Rows = np.arange(samples)
    taken: dict[str, Rows] = {}
    for name in sorted(sizes):  # the test first
        left = len(SPLITS) if name == "test" else 2
        if groups is None:
            chosen = _draw(strata[rest], sizes[name], seed, left)
        else:
            chosen = _draw_groups(groups[rest], strata[rest], sizes[name], seed, left)
        taken[name] = rest[chosen]
        rest = np.setdiff1d(rest, taken[name], assume_unique=True)
    taken["train"] = rest
    return {name: np.sort(taken[name]) for name in SPLITS if name in taken}


def fold(
    which: tuple[int, int],
    samples: int,
    seed: int,
    strata: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Rows:
    """Return the numbers of the samples of one fold of a cross-validation.

    Parameters
    ----------
    which
        Its number, from 0, and how many folds there are.
    samples, seed, strata, groups
        As of `split`; strata are kept in proportion where each has a sample for every fold.

    Raises
    ------
    DataError
        There are more folds than samples, or groups.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    number, count = which
    strata = np.zeros(samples, np.int64) if strata is None else strata
    units = samples if groups is None else len(np.unique(groups))
    if units < count:
        raise DataError(f"{units} {'samples' if groups is None else 'groups'} are too few for {count} folds")
    sizes = np.unique(strata, return_counts=True)[1]
    is_stratified = len(sizes) > 1 and sizes.min() >= count
    if groups is None:
        kind = StratifiedKFold if is_stratified else KFold
        dealt = kind(count, shuffle=True, random_state=seed).split(strata, strata)
    elif is_stratified:
        dealt = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(strata, strata, groups)
    else:
        dealt = GroupKFold(count).split(strata, groups=groups)
    return np.asarray(next(islice(dealt, number, None))[1], np.int64)


def _sizes(samples: int, shares: Mapping[str, float]) -> dict[str, int]:
    if sum(shares.values()) >= 1:
        total = " + ".join(f"{share:g}" for share in shares.values())
        raise DataError(f"data.validation + data.test = {total} leaves nothing to train on; make them smaller")
    sizes = {name: max(1, round(samples * share)) for name, share in shares.items()}
    if samples - sum(sizes.values()) < 1:
        raise DataError(f"{samples} samples are too few for {len(shares) + 1} splits; add samples")
    return sizes


def _draw(strata: NDArray[np.int64], size: int, seed: int, splits: int) -> Rows:
    """Return the numbers of `size` samples, each stratum in proportion where it is large enough."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(strata)
    able = np.flatnonzero(counts[strata] >= splits)
    kinds = len(np.unique(strata[able]))
    if kinds <= min(size, len(able) - size):
        stratify = strata[able] if kinds > 1 else None
        _, chosen = train_test_split(able, test_size=size, random_state=seed, stratify=stratify)
        left = counts - np.bincount(strata[chosen], minlength=len(counts))
        if left[counts > 0].all():
            return np.asarray(chosen, np.int64)
    return _draw_freely(strata, able, size, seed)


def _draw_freely(strata: NDArray[np.int64], able: Rows, size: int, seed: int) -> Rows:
    """Return the numbers of `size` samples, of those that are `able` if they suffice; one of each stratum is left."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(strata))
    spare = np.delete(order, np.unique(strata[order], return_index=True)[1])
    choices = (spare[np.isin(spare, able)], spare, order)
    return next(rows[:size] for rows in choices if len(rows) >= size)


def _draw_groups(groups: NDArray[np.int64], strata: NDArray[np.int64], size: int, seed: int, splits: int) -> Rows:
    """Return the numbers of about `size` samples, of whole groups, with strata in proportion as far as may be."""
    from sklearn.model_selection import ShuffleSplit

    names, members = np.unique(groups, return_inverse=True)
    if len(names) < splits:
        raise DataError(f"{len(names)} groups are too few for {splits} splits; add groups, or leave data.group out")
    table = np.zeros((len(names), int(strata.max()) + 1))
    np.add.at(table, (members, strata), 1)
    wanted = table.sum(axis=0) * size / len(groups)
    best, cost = np.empty(0, np.int64), np.inf
    for count in _group_counts(len(names), size / len(groups), splits):
        draws = ShuffleSplit(min(_DRAWS, max(1, _DRAWN_GROUPS // len(names))), test_size=count, random_state=seed)
        for _, chosen in draws.split(names):
            # How far each stratum is from its share, and the whole from its size.
            counts = table[chosen].sum(axis=0)
            off = np.abs(counts - wanted).sum() + abs(counts.sum() - size)
            if off < cost:
                best, cost = chosen, off
    return np.flatnonzero(np.isin(members, best))


def _group_counts(groups: int, share: float, splits: int) -> list[int]:
    """Return the numbers of groups to try: about the share, and where groups are of very unequal size, others."""
    about = round(groups * share)
    most = groups - splits + 1
    return sorted({min(max(1, count), most) for count in (about - 1, about, about + 1)})
