"""Which findings of a training that still goes on are news, and sure enough to be told.

A check judges a training as if it ended now. Of the first epochs of a healthy training that is often wrong, so a
finding is told only once it has settled: it must have lasted for the share of the training that it is unsure of,
1 - confidence. What is certain is told at once. How often that is right, and how much later than at first sight:
``python -m benchmarks.live``.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from diagnose import console
from diagnose.finding import Finding, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import best_skill
from diagnose.report import RunReport
from diagnose.run import Run, Series, Split

#: From this confidence on a finding is told at once, after two epochs, or else after three at the earliest.
CERTAIN, SURE = 0.99, 0.95
#: A training of which nobody knows when it will end (or that early stopping will end) is taken to go on for so many
#: times the epochs so far.
EXPECTED = 1.5
#: A run that has got so far from guessing to perfect is not lost, whatever else is found.
LEARNED = 0.3
#: An improvement by less than so many standard deviations is none, nor by less than this share of the level.
IMPROVED, NOTICEABLE = 3.0, 0.01


@dataclass
class _Heard:
    """What is known of the findings of one check.

    Parameters
    ----------
    since
        Severity rank -> how many epochs there were when a finding of that rank or above appeared that is still there.
    told
        The worst rank that was told; -1 for none.
    layers
        The layers that it was told of.
    """

    since: dict[int, int] = field(default_factory=dict)
    told: int = -1
    layers: frozenset[str] = frozenset()


class News:
    """The findings of one training, told once they are settled, and again when they get worse.

    Parameters
    ----------
    planned
        How many epochs the training is to have, where that is known.
    """

    def __init__(self, planned: int | None = None) -> None:
        self.planned = planned
        self._heard: dict[str, _Heard] = {}
        self._epochs = 0

    def tell(self, report: RunReport) -> list[Finding]:
        """Return what is new in the latest report, in its order, or has got worse since it was told.

        Worse is a higher severity, or twice as many layers. Reports may skip epochs; fewer epochs than before are
        another training, of which everything is new.
        """
        run = report.run
        if run.epochs < self._epochs:
            self._heard.clear()
            self._epochs = 0
        is_first, self._epochs = self._epochs == 0, run.epochs
        worst = _worst(report)
        for check, heard in self._heard.items():
            rank = worst[check].severity.rank if check in worst else -1
            heard.since = {r: since for r, since in heard.since.items() if r <= rank}
        for check, finding in worst.items():
            # A log that is looked at late was not seen when the finding appeared: its own word must do.
            since = run.epochs - (_epochs_since(run, finding.epoch) if is_first else 1) + 1
            heard = self._heard.setdefault(check, _Heard())
            heard.since = dict.fromkeys(range(finding.severity.rank + 1), since) | heard.since
        return [finding for finding in worst.values() if self._is_news(finding)]

    def lost(self, report: RunReport) -> Finding | None:
        """Return the finding for which the training should be stopped; None as long as there is hope.

        Asked after `tell`: only what was told can end a training. That is a training loss that is no number any more;
        and a divergence, or a layer that is dead as a whole, in a run that is poor and in which no other curve
        improves.
        """
        for finding in _worst(report).values():
            heard = self._heard.get(finding.check)
            if heard is not None and heard.told >= Severity.CRITICAL.rank and _is_lost(finding, report.run):
                return finding
        return None

    def _is_news(self, finding: Finding) -> bool:
        heard = self._heard[finding.check]
        rank, layers = finding.severity.rank, frozenset(finding.layers)
        is_worse = rank > heard.told or len(layers - heard.layers) >= max(1, len(heard.layers))
        if not is_worse or not self._is_settled(finding.confidence, self._epochs - heard.since[rank] + 1):
            return False
        heard.told, heard.layers = max(rank, heard.told), heard.layers | layers
        return True

    def _is_settled(self, confidence: float, lasted: int) -> bool:
        if confidence >= CERTAIN:
            return True
        expected = min(EXPECTED * self._epochs, self.planned or math.inf)
        # Rounded, for 1 - 0.9 is a little more than a tenth.
        needed = math.ceil(round((1 - confidence) * expected, 6))
        return lasted >= max(2 if confidence >= SURE else 3, needed)


def _worst(report: RunReport) -> dict[str, Finding]:
    """Return the worst finding of each check, in the order of the report."""
    found: dict[str, Finding] = {}
    for finding in report.findings:
        other = found.get(finding.check)
        if other is None or finding.severity.rank > other.severity.rank:
            found[finding.check] = finding
    return found


def _epochs_since(run: Run, epoch: float | None) -> int:
    """Return how many epochs a finding has lasted by its own account; 1 where it says nothing of it."""
    if epoch is None:
        return 1
    return max((int((s.epochs >= epoch).sum()) for s in run.series), default=1)


def _is_lost(finding: Finding, run: Run) -> bool:
    if finding.check == "nan-loss":
        losses = [s for s in run.series if s.is_loss and s.split == Split.TRAIN and len(s)]
        return any(not math.isfinite(s.values[-1]) for s in losses)
    if finding.check not in ("divergence", "dying-relu") or finding.epoch is None:
        return False
    skill = best_skill(run)
    is_poor = skill is None or skill < LEARNED
    return is_poor and not any(_improves(s, finding.epoch) for s in run.series if s.direction is not None)


def _improves(series: Series, since: float) -> bool:
    """Whether a curve is better in the later half of the epochs since then than it had ever been."""
    curve = curve_of(series)
    if not len(curve):
        return False
    late = curve.epochs > (since + float(curve.epochs[-1])) / 2
    if late.all() or not late.any():
        return False
    before = float(curve.smooth[~late].min())
    return float(curve.smooth[late].min()) < before - max(IMPROVED * curve.sigma, NOTICEABLE * abs(before))


def line(
    finding: Finding,
    run: Run,
    *,
    prefix: str = "kerasdx",
    width: int | None = None,
    told: Collection[str] | None = None,
) -> str:
    """Return a finding as one line for a terminal or a pipe.

    Parameters
    ----------
    finding, run
        The finding, and the run as it was when it was told.
    prefix
        Who says so, or of what.
    width
        Where the line would be longer it goes without what follows the summary, and then is cut.
    told
        The checks that were told of before; a cause that was not is not named. None: any.

    Notes
    -----
    After the summary stands the first fix, or, where another finding explains this one, that finding.
    """
    epoch = max((float(s.epochs[-1]) for s in run.series if len(s)), default=0.0)
    when = "before training" if run.is_planned else f"{run.axis} {epoch:g}"
    text = console.one_line(f"{prefix}: {when}: {finding.severity}: {finding.check}: {finding.summary}")
    after = ""
    causes = [cause for cause in finding.caused_by if told is None or cause in told]
    if causes:
        after = f"because of {causes[0]}"
    elif finding.fixes:
        after = f"fix: {finding.fixes[0].title}"
    if after:
        whole = console.one_line(f"{text} ({after})")
        if width is None or len(whole) <= width:
            return whole
    return text if width is None or len(text) <= width else f"{text[: max(0, width - 3)].rpartition(' ')[0]}..."
