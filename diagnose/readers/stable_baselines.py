"""Stable-Baselines' ``progress.csv``: reinforcement learning, counted in steps of the environment.

Its curve is the mean reward of an episode. ``train/loss`` and the like are losses of the policy against data that it
collects itself: they need not fall, and are read as ``policy_loss`` and so on, which no rule on losses looks at.
"""

from __future__ import annotations

from diagnose.readers import keras_csv
from diagnose.readers.base import Document, Roles
from diagnose.readers.table import sniff
from diagnose.run import Run

FORMAT = "stable-baselines"

_STEPS = ("time/total_timesteps", "total_timesteps", "misc/total_timesteps", "time/total timesteps")
_REWARDS = ("rollout/ep_rew_mean", "ep_rew_mean", "ep_reward_mean", "eprewmean", "eval/mean_reward")


def matches(document: Document) -> bool:
    """Whether the header counts steps of an environment, or has the mean reward of an episode."""
    layout = sniff(document)
    if layout is None:
        return False
    names = set(layout.names)
    return not names.isdisjoint(_REWARDS) and (
        not names.isdisjoint(_STEPS) or any(n.startswith(("rollout/", "time/")) for n in names)
    )


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the run in the table.

    Raises
    ------
    ReadError
        It holds no reward.
    """
    layout = sniff(document)
    names = layout.names if layout is not None else ()
    given: dict[str, str] = {}
    for name in names:
        if name in ("time/iterations", "time/episodes", "train/n_updates"):
            given[name] = "ignore"
        elif name in _STEPS:
            given[name] = "step"
    return keras_csv.read_as(FORMAT, document, {**given, **roles}, told=bool(roles))
