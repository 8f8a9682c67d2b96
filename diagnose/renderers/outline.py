"""In which order a diagnosis is told: causes lead, effects follow them, what could not be seen comes last."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from diagnose.finding import Finding, Outcome, OutcomeKind, Severity
from diagnose.report import RunReport

_IN_THE_LOG = " in the log"


@dataclass(frozen=True)
class Entry:
    """A finding with its number in the report and the findings that it explains.

    Parameters
    ----------
    number
        From 1, in the order of reading; marks on the curves carry it.
    finding
        The finding.
    effects
        What it explains; effects of effects stand here too, so the outline is two levels deep.
    """

    number: int
    finding: Finding
    effects: tuple[Entry, ...] = ()


def outline(findings: Sequence[Finding]) -> tuple[Entry, ...]:
    """Return the findings as root causes with their effects, numbered in the order of reading."""
    first = {f.check: i for i, f in reversed(list(enumerate(findings)))}
    effects: dict[int, list[Finding]] = {}
    for i, finding in enumerate(findings):
        root = _root(i, findings, first)
        if root == i:
            effects.setdefault(i, [])
        else:
            effects.setdefault(root, []).append(finding)
    numbers = itertools.count(1)
    return tuple(
        Entry(next(numbers), findings[root], tuple(Entry(next(numbers), effect) for effect in effects[root]))
        for root in sorted(effects)
    )


def _root(index: int, findings: Sequence[Finding], first: Mapping[str, int]) -> int:
    """Return the index of the finding that starts the chain of causes; its own where nothing explains it.

    `first` is the index of each check's first finding.
    """
    chain = [index]
    while True:
        cause = next((first[c] for c in findings[chain[-1]].caused_by if c in first), None)
        if cause is None or cause == chain[-1]:
            return chain[-1]
        if cause in chain:  # findings that name each other: the one listed first is told first
            return min(chain[chain.index(cause) :])
        chain.append(cause)


def flatten(entries: Iterable[Entry]) -> list[Entry]:
    """Return all entries in the order of their numbers."""
    return [e for root in entries for e in (root, *root.effects)]


def leading(report: RunReport) -> Finding | None:
    """Return the finding that explains the run: the first root cause."""
    return report.findings[0] if report.findings else None


def head(entries: Sequence[Entry], limit: int) -> tuple[Entry, ...]:
    """Return the first `limit` findings of an outline."""
    kept = (e for e in entries if e.number <= limit)
    return tuple(
        dataclasses.replace(e, effects=tuple(effect for effect in e.effects if effect.number <= limit)) for e in kept
    )


@dataclass(frozen=True)
class Unseen:
    """Checks that could not look, for want of things that the same measure brings.

    Parameters
    ----------
    missing
        What is not there, one phrase each.
    remedy
        What to do, or log, so that the checks can look; empty where nothing helps.
    checks
        Their ids.
    """

    missing: tuple[str, ...]
    remedy: str
    checks: tuple[str, ...]

    @property
    def reason(self) -> str:
        """What is missing and what to do, in one line."""
        if len(self.missing) > 1 and all(m.endswith(_IN_THE_LOG) for m in self.missing):
            missing = ", ".join(m.removesuffix(_IN_THE_LOG) for m in self.missing) + _IN_THE_LOG
        else:
            missing = ", ".join(self.missing)
        return f"{missing}; {self.remedy}" if self.remedy else missing


def unseen(outcomes: Iterable[Outcome]) -> list[Unseen]:
    """Return why checks could not look, gathered by what would let them, the most checks first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for outcome in outcomes:
        if outcome.kind == OutcomeKind.NOT_APPLICABLE:
            missing, _, remedy = outcome.reason.partition("; ")
            # Without a remedy nothing joins two reasons but the reason itself.
            groups.setdefault(remedy or missing, []).append((outcome.check, missing if remedy else ""))
    gathered = [
        Unseen(
            missing=tuple(dict.fromkeys(missing or key for _, missing in members)),
            remedy=key if members[0][1] else "",
            checks=tuple(check for check, _ in members),
        )
        for key, members in groups.items()
    ]
    return sorted(gathered, key=lambda u: -len(u.checks))


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes of checks that raised."""
    return [o for o in outcomes if o.kind == OutcomeKind.ERROR]


def passed(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the checks that looked and found nothing."""
    return [o.check for o in outcomes if o.kind == OutcomeKind.PASSED]


def is_sick(report: RunReport) -> bool:
    """Whether the run has a fault, not merely something worth knowing."""
    return report.verdict in (Severity.WARNING, Severity.CRITICAL)
