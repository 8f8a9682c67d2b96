"""The best trials of a search beside each other, and those that were sick, as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from diagnose.renderers.wording import count, shorten
from tuners.search import wording
from tuners.search.columns import columns
from tuners.search.records import SearchRecord, State, TrialRecord

#: Sick trials that are named; the others are counted.
_SICK = 5
_LONGEST_VALUE, _LONGEST_DIAGNOSIS = 16, 18


def leaderboard(record: SearchRecord, width: int = 80, top: int = 10) -> str:
    """Return the best trials, the best first, then the sick ones with their reasons.

    Parameters
    ----------
    record
        The search.
    width
        Columns.
    top
        How many of the best; 0: all.

    Notes
    -----
    Settings in which all trials agree are left out. Where the others do not fit beside the scores, each trial has them
    in lines of its own.
    """
    ranked = record.ranked()
    shown = ranked[:top] if top else ranked
    lines = [headline(record), ""]
    if shown:
        names = {column.path: column.name for column in columns(record, record.trials)}
        lines += _table(shown, names, width)
        if len(ranked) > len(shown):
            lines.append(f"... and {count(len(ranked) - len(shown), 'more trial')} with a score")
    else:
        lines.append("No trial has a score.")
    return "\n".join([*lines, *_sick(record, width)])


def headline(record: SearchRecord) -> str:
    """Return ``cnn on digits: 50 trials by val_accuracy (more is better): 41 done, 6 pruned, 3 failed``."""
    states = Counter(trial.state for trial in record.trials)
    told = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    better = "more" if record.objective.direction == "max" else "less"
    trials = count(len(record.trials), "trial")
    text = f"{record.recipe} on {record.data}: {trials} by {record.objective.name} ({better} is better)"
    return wording.one_line(f"{text}: {told}" if told else text)


def _table(shown: Sequence[TrialRecord], names: Mapping[str, str], width: int) -> list[str]:
    """Return a line for each trial with the settings in columns, or, where they do not fit, below it."""
    head = ["trial", "score", "epochs", "time", "diagnosis"]
    best = shown[0].number
    rows = [_cells(trial, is_best=trial.number == best) for trial in shown]
    right = [True, True, True, True, False]
    values = [[shorten(wording.value(trial.values.get(path)), _LONGEST_VALUE) for path in names] for trial in shown]
    titles = [name.replace(".", "_").split("_") for name in names.values()]
    height = max(map(len, titles), default=1)
    heads = [[*([""] * len(head)), *(([""] * (height - len(t)) + t)[i] for t in titles)] for i in range(height)]
    heads[-1][: len(head)] = head
    lines = wording.table(
        [*heads, *([*row, *cells] for row, cells in zip(rows, values, strict=True))], [*right, *([True] * len(names))]
    )
    if max(map(cell_len, lines)) <= width:
        return lines
    lines = wording.table([head, *rows], right)
    below = [wording.wrapped(wording.settings(trial.values, names), width - 4) for trial in shown]
    return [lines[0], *(line for row, texts in zip(lines[1:], below, strict=True) for line in _hung(row, texts))]


def _hung(row: str, texts: Sequence[str]) -> list[str]:
    return [row, *(f"    {text}" for text in texts)]


def _cells(trial: TrialRecord, *, is_best: bool) -> list[str]:
    assert trial.outcome is not None
    return [
        ("* " if is_best else "") + str(trial.number), wording.score(trial.score), str(trial.outcome.epochs),
        wording.duration(trial.outcome.seconds), shorten(wording.diagnosis(trial), _LONGEST_DIAGNOSIS),
    ]  # fmt: skip


def _sick(record: SearchRecord, width: int) -> list[str]:
    """Return the trials that were pruned or failed, or are critical, each with its reason."""
    sick = [trial for trial in record.trials if trial.is_sick]
    if not sick:
        return []
    names = {column.path: column.name for column in columns(record, record.trials)}
    lines = ["", f"Sick: {count(len(sick), 'trial')}"]
    for trial in sick[:_SICK]:
        reason = wording.one_line(trial.reason) or f"{trial.state}, with a critical finding: {wording.sickness(trial)}"
        text = f"trial {trial.number}  {reason}; {wording.settings(trial.values, names)}"
        lines += [f"  {line}" for line in wording.wrapped(text, width - 2, "  ")]
    if left := Counter(wording.sickness(trial) for trial in sick[_SICK:]):
        told = ", ".join(f"{number} {kind}" for kind, number in left.most_common())
        lines += [f"  {line}" for line in wording.wrapped(f"... and {told}", width - 2, "  ")]
    return lines
