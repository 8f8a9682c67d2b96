"""Run -> report: give each check what it declared, collect outcomes, link causes.

Nothing here reads a file or prints.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diagnose import discovery
from diagnose.check import LoadedCheck, load_checks
from diagnose.finding import Finding, Outcome, OutcomeKind, Severity
from diagnose.report import Best, RunReport
from diagnose.run import Direction, Run

#: A check that needs more epochs than this looks at a trend; where none could look, the verdict is unknown.
_TREND_EPOCHS = 2


@dataclass(frozen=True)
class Selection:
    """Which checks run, and their options.

    Parameters
    ----------
    select
        Ids or families to run; empty for all.
    ignore
        Ids or families to leave out; wins over `select`.
    options
        Overrides of thresholds: check id -> option -> number.
    """

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        select: Iterable[str],
        ignore: Iterable[str],
        options: Mapping[str, Mapping[str, Any]] | None,
    ) -> Selection:
        """Return a valid selection of what a caller named; a lone string is one name, not its letters.

        Raises
        ------
        ValueError
            A check, a family or an option is not known.
        """
        chosen, left_out = (frozenset([names] if isinstance(names, str) else names) for names in (select, ignore))
        selection = cls(chosen, left_out, dict(options or {}))
        selection.validate()
        return selection

    def takes(self, check: LoadedCheck) -> bool:
        """Whether the check is to run."""
        if not self.select and not self.ignore:
            return True
        names = {check.id, check.family}
        return not names & self.ignore and (not self.select or bool(names & self.select))

    def families(self, run: Run) -> list[str]:
        """Return the families of the checks that look at a run: those with something to look at, and those asked for.

        Whoever asks for one by name is told why it could not look.
        """
        asked = self.select | {discovery.family_of(name) for name in self.select}
        return [family for family in discovery.FAMILIES if family in run.families or family in asked]

    def validate(self) -> None:
        """Raise ValueError, naming the nearest known name, where a name is no check or family, or an option is none."""
        named = (*self.select, *self.ignore, *self.options)
        if not named:
            return
        known = {*discovery.names(), discovery.EXTRA_FAMILY}
        for name in named:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"there is no check {name!r}{hint} (diagnose --list-checks lists them)")
        if self.options:
            for check in load_checks():
                check.options(self.options.get(check.id, {}))


def analyze(
    run: Run,
    selection: Selection = Selection(),
    checks: Sequence[LoadedCheck] | None = None,
    *,
    live: bool = False,
    audit: RunReport | None = None,
) -> RunReport:
    """Look at a run with every selected check and return its diagnosis.

    Parameters
    ----------
    run
        The run.
    selection
        Which checks, with which thresholds.
    checks
        The checks to choose from; by default all discovered ones of the families that have something to look at.
    live
        Whether the training still goes on: checks that need its end are not applicable then.
    audit
        A report on the same model and data from before the training: what it says of them is taken over.
    """
    checks = load_checks(selection.families(run)) if checks is None else checks
    before = {} if audit is None else _taken_over(audit, checks)
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    with np.errstate(all="ignore"):  # logs hold NaN and infinity, and checks divide by what is zero
        for check in checks:
            outcome, found = before.get(check.id) or _look(check, run, selection, live)
            outcomes.append(outcome)
            findings.extend(found)
    findings = _link(findings, checks)
    verdict = _verdict(findings, outcomes, checks, is_planned=run.is_planned)
    best = best_epoch(run)
    return RunReport(
        run=run,
        verdict=verdict,
        summary=_summary(run, verdict, findings, best),
        best=best,
        findings=tuple(findings),
        outcomes=tuple(outcomes),
    )


def _taken_over(audit: RunReport, checks: Sequence[LoadedCheck]) -> dict[str, tuple[Outcome, list[Finding]]]:
    """Return what each check of the model or the data has said before; what did not look then is not among it."""
    wanted = _ids_before(checks)
    told = {o.check: (o, list[Finding]()) for o in audit.outcomes if o.check in wanted}
    for finding in audit.findings:
        if finding.check in told:
            told[finding.check][1].append(finding)
    return told


def _ids_before(checks: Sequence[LoadedCheck]) -> set[str]:
    """Return the checks that look at what is there before a training."""
    return {c.id for c in checks if c.family in discovery.BEFORE_TRAINING}


def _look(check: LoadedCheck, run: Run, selection: Selection, live: bool) -> tuple[Outcome, list[Finding]]:
    if not selection.takes(check):
        return Outcome(check.id, OutcomeKind.IGNORED, "not selected"), []
    if live and not check.declaration.live:
        return Outcome(check.id, OutcomeKind.NOT_APPLICABLE, "looks at ended trainings only"), []
    reason = check.declaration.needs.missing(run)
    if reason:
        return Outcome(check.id, OutcomeKind.NOT_APPLICABLE, reason), []
    options = check.options(selection.options.get(check.id, {}))
    try:
        found = [dataclasses.replace(f, check=check.id) for f in check.function(run, options)]
    except Exception as error:  # a broken check must not take the report of the others with it
        return Outcome(check.id, OutcomeKind.ERROR, f"{type(error).__name__}: {error}"), []
    if found:
        return Outcome(check.id, OutcomeKind.FOUND), found
    return Outcome(check.id, OutcomeKind.PASSED), []


def _link(findings: Iterable[Finding], checks: Sequence[LoadedCheck]) -> list[Finding]:
    """Fill in `caused_by` from what the checks declare to explain, and put root causes first."""
    findings = list(findings)
    explains = {c.id: c.declaration.explains for c in checks}
    present = {f.check: f for f in reversed(findings)}
    linked = []
    for finding in findings:
        causes = [
            cause
            for cause, found in present.items()
            if finding.check in explains.get(cause, ()) and found.severity.rank >= finding.severity.rank - 1
        ]
        # A cause that another cause of the same finding explains is a link of the chain, not its start:
        # it stays named, behind the start.
        causes = sorted(causes, key=lambda c: (any(c in explains.get(other, ()) for other in causes), c))
        linked.append(dataclasses.replace(finding, caused_by=tuple(causes)))
    # What was seen inside the layers goes before what the curves let one guess: a rate that seems too high is often one
    # that dead or saturated layers, or gradients that blow up, make look so.
    # And what is wrong with the model or the data as they were made goes before what came of it.
    seen_inside = {c.id for c in checks if c.family == "layers"}
    seen_before = _ids_before(checks)
    linked.sort(
        key=lambda f: (
            bool(f.caused_by) and f.severity != Severity.INFO,
            f.check not in seen_before,
            f.check not in seen_inside,
            -f.severity.rank,
            -f.confidence,
        )
    )
    return sorted(linked, key=lambda f: f.severity == Severity.INFO)


def _verdict(
    findings: Sequence[Finding], outcomes: Sequence[Outcome], checks: Sequence[LoadedCheck], *, is_planned: bool
) -> str:
    worst = max((f.severity for f in findings), key=lambda s: s.rank, default=None)
    if worst is not None and worst != Severity.INFO:
        return worst.value
    trend_checks = {c.id for c in checks if c.declaration.needs.min_epochs > _TREND_EPOCHS}
    telling = _ids_before(checks) if is_planned else trend_checks
    looked = any(o.check in telling and o.kind in (OutcomeKind.PASSED, OutcomeKind.FOUND) for o in outcomes)
    if not looked:
        return "unknown"
    return worst.value if worst is not None else "healthy"


def best_epoch(run: Run) -> Best | None:
    """Return the best epoch by val_loss, else the validation metric, else the loss, else the metric."""
    for role in ("val_loss", "val_metric", "loss", "metric"):
        series = run.get(role)
        if series is None or series.direction is None:
            continue
        finite = np.isfinite(series.values)
        if not finite.any():
            continue
        values = np.where(finite, series.values, np.nan)
        at = int(np.nanargmax(values) if series.direction == Direction.HIGHER else np.nanargmin(values))
        return Best(epoch=float(series.epochs[at]), metric=series.name, value=float(series.values[at]))
    return None


def _summary(run: Run, verdict: str, findings: Sequence[Finding], best: Best | None) -> str:
    """One or two sentences: the leading finding, or that there is none and what the run reached."""
    leading = [f for f in findings if f.severity != Severity.INFO]
    if leading:
        first, *others = leading
        text = first.summary
        if others:
            names = ", ".join(dict.fromkeys(f.check for f in others if f.check != first.check))
            text += f" Also found: {names}." if names else ""
        return text
    reached = ""
    if best is not None and math.isfinite(best.value):
        reached = f" Best {best.metric} {best.value:.4g} at {run.axis} {best.epoch:g}."
    if run.is_planned:
        return "No fault found before the training." if verdict != "unknown" else "Too little is known to judge it."
    if verdict == "unknown" and run.get("loss") is None and run.get("val_loss") is None:
        return "No loss in the log: too little to judge the training." + reached
    if verdict == "unknown":
        return (
            f"Too little in the log to judge the training ({run.epochs} {run.axis}{'s' if run.epochs != 1 else ''})."
            + reached
        )
    return "No fault found." + reached
