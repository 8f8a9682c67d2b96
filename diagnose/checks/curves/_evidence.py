"""Evidence that several curve checks give in the same form."""

from __future__ import annotations

from diagnose.finding import Interval
from diagnose.measures.curve import Curve
from diagnose.run import Series


def over_run(series: Series, curve: Curve, label: str, value: float, limit: float, unit: str) -> Interval:
    """Return a number against its limit, measured over the whole curve."""
    return Interval(
        label=label,
        value=value,
        threshold=limit,
        unit=unit,
        series=series.name,
        start=float(curve.epochs[0]),
        end=float(curve.epochs[-1]),
    )


def percent(
    series: Series,
    curve: Curve,
    label: str,
    share: float,
    limit: float,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Interval:
    """Return a share and its limit, told in percent, over the whole curve or from one epoch to another."""
    return Interval(
        label=label,
        value=100 * share,
        threshold=100 * limit,
        unit="%",
        series=series.name,
        start=float(curve.epochs[0]) if start is None else start,
        end=float(curve.epochs[-1]) if end is None else end,
    )
