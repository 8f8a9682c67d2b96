"""What checks say: findings with evidence, and the outcome of each check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from diagnose.fix import Fix


class Severity(StrEnum):
    """How bad: worth knowing, costs quality, or the run is lost."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A measured number, the threshold that it crossed, and where.

    Parameters
    ----------
    label
        What was measured, a noun phrase: "rise of val_loss above its minimum".
    value
        The measured number.
    threshold
        The number that it was held against; None where the fact speaks for itself.
    unit
        Unit of both, for example ``σ`` or ``%``; empty for a pure number.
    """

    type: ClassVar[str]
    label: str
    value: float
    threshold: float | None = None
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Point(Evidence):
    """One value of one curve at one epoch."""

    type: ClassVar[str] = "point"
    series: str
    epoch: float


@dataclass(frozen=True, kw_only=True)
class Interval(Evidence):
    """What holds for a curve from one epoch to another."""

    type: ClassVar[str] = "interval"
    series: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Comparison(Evidence):
    """Two named numbers, and `value`: how they differ."""

    type: ClassVar[str] = "comparison"
    left_name: str
    left: float
    right_name: str
    right: float
    epoch: float | None = None


@dataclass(frozen=True, kw_only=True)
class LayerTable(Evidence):
    """A statistic of several layers at one epoch (None: before the training); `value` is the worst of them."""

    type: ClassVar[str] = "layers"
    statistic: str
    epoch: float | None = None
    rows: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found in one run.

    Parameters
    ----------
    severity, confidence
        How bad, and how sure (0 to 1).
    summary
        One sentence with the numbers in it.
    epoch
        Where it began, numbered as in the log; None where it concerns the whole run.
    layers
        The layers concerned.
    evidence
        The numbers, the decisive one first.
    fixes
        Remedies in the order to try.
    check
        The check's id; filled in by `diagnose.analyze`.
    caused_by
        Ids of findings of the same run that explain this one; filled in by `diagnose.analyze`.
    """

    severity: Severity
    confidence: float
    summary: str
    evidence: tuple[Evidence, ...]
    fixes: tuple[Fix, ...] = ()
    epoch: float | None = None
    layers: tuple[str, ...] = ()
    check: str = ""
    caused_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence}")
        if not self.evidence:
            raise ValueError("a finding needs evidence")


class OutcomeKind(StrEnum):
    """How a check ended."""

    FOUND = "found"
    PASSED = "passed"
    NOT_APPLICABLE = "not_applicable"
    IGNORED = "ignored"
    ERROR = "error"


@dataclass(frozen=True)
class Outcome:
    """How one check ended on one run, and why where it did not simply pass."""

    check: str
    kind: OutcomeKind
    reason: str = ""
