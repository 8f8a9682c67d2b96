"""Report -> JSON of schema ``kerasdx/1`` (see `diagnose/schema.json`): stable and strict.

A number that is not finite is written as null, for JSON has no literal for it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from diagnose import __version__
from diagnose.blueprint import Blueprint, DryRun
from diagnose.finding import Evidence, Finding, LayerTable, Outcome
from diagnose.fix import Change, Edit, Fix
from diagnose.report import Report, RunReport
from diagnose.sample import DataSample

SCHEMA = "kerasdx/1"

#: Up to so many runs a person may read it: lines are indented, with which Python's encoder is ten times slower.
_INDENTED_RUNS = 10
_EPOCH_FIELDS = frozenset({"epoch", "start", "end"})


def render(report: Report) -> str:
    """Return the report as a JSON document."""
    indent = 2 if len(report.runs) <= _INDENTED_RUNS else None
    return json.dumps(to_dict(report), indent=indent, allow_nan=False)


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as a dictionary that the JSON Schema describes."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "runs": [_run(r) for r in report.runs],
        "errors": [{"source": _text(e.source), "error": _text(e.error)} for e in report.errors],
    }


def _run(report: RunReport) -> dict[str, Any]:
    run, best = report.run, report.best
    return {
        "source": _text(run.source),
        "title": _text(run.title),
        "part": None if run.part is None else _fields(run.part),
        "format": run.format,
        "axis": run.axis,
        "epochs": run.epochs,
        "restarts": [_epoch(e) for e in run.restarts],
        "verdict": report.verdict,
        "summary": _text(report.summary),
        "best": None if best is None else _fields(best),
        "findings": [_finding(f) for f in report.findings],
        "outcomes": [_outcome(o) for o in report.outcomes],
        "notes": [_text(n) for n in run.notes],
        **({"model": _model(run.model)} if run.model is not None else {}),
        **({"data": _data(run.data)} if run.data is not None else {}),
        **({"dry_run": _dry_run(run.dry_run)} if run.dry_run is not None else {}),
    }


def _model(model: Blueprint) -> dict[str, Any]:
    """Return the layer table and how the model is trained."""
    optimizer = model.optimizer
    return {
        "name": _text(model.name),
        "class": _text(model.kind),
        "parameters": model.parameters,
        "trainable_parameters": model.trainable_parameters,
        "optimizer": None if optimizer is None else _text(optimizer.name),
        "learning_rate": None
        if optimizer is None or optimizer.learning_rate is None
        else _number(optimizer.learning_rate),
        "batch_size": model.batch_size,
        "outputs": [
            {
                "name": _text(output.name),
                "layer": _text(output.layer),
                "shape": list(output.shape),
                "activation": None if output.activation is None else _text(output.activation.name),
                "loss": None if output.loss is None else _text(output.loss.name),
                "metrics": [_text(name) for name in output.metrics],
            }
            for output in model.outputs
        ],
        "layers": [
            {
                "name": _text(layer.name),
                "class": _text(layer.kind),
                "inputs": [_text(name) for name in layer.inputs],
                "output_shapes": [list(shape) for shape in layer.output_shapes],
                "parameters": layer.parameters,
                "trainable_parameters": layer.trainable_parameters,
                "activation": None if layer.activation is None else _text(layer.activation.name),
                "receptive_field": None if layer.receptive_field is None else list(layer.receptive_field),
                "flops": layer.flops,
                "activation_bytes": layer.activation_bytes,
                "line": layer.line,
            }
            for layer in model.layers
        ],
    }


def _data(data: DataSample) -> dict[str, Any]:
    """Return how much data there is, and how much of it was looked at."""
    return {
        "source": _text(data.source),
        "batch_size": data.batch_size,
        "splits": {
            split.value: {
                "samples": sample.count,
                "looked_at": len(sample),
                "inputs": {_text(name): list(array.shape[1:]) for name, array in sample.inputs.items()},
                "labels": {_text(name): list(array.shape[1:]) for name, array in sample.labels.items()},
            }
            for split, sample in data.splits.items()
        },
    }


def _dry_run(told: DryRun) -> dict[str, Any]:
    """Return what one batch has told."""
    return {
        "samples": told.samples,
        "is_made_up": told.is_made_up,
        "initial_loss": _optional(told.initial_loss),
        "expected_loss": _optional(told.expected_loss),
        "losses": [_number(value) for value in told.losses],
        "failed": _text(told.failed),
        "layers": [
            {
                "layer": _text(scale.layer),
                **{
                    name: _optional(getattr(scale, name))
                    for name in ("output_mean", "output_std", "zero_fraction", "grad_norm", "weight_norm")
                },
            }
            for scale in told.scales
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "epoch": _epoch(finding.epoch),
        "layers": [_text(name) for name in finding.layers],
        "summary": _text(finding.summary),
        "evidence": [_evidence(e) for e in finding.evidence],
        "caused_by": list(finding.caused_by),
        "fixes": [_fix(f) for f in finding.fixes],
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    fields = {"type": item.type, **_fields(item)}
    if isinstance(item, LayerTable):
        fields["rows"] = [{"layer": _text(layer), "value": _number(value)} for layer, value in item.rows]
    return fields


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "id": fix.id,
        "title": _text(fix.title),
        "why": _text(fix.why),
        "cost": _text(fix.cost),
        "applicability": fix.applicability.value,
        "addresses": _text(fix.addresses),
        "changes": [_change(c) for c in fix.changes],
        "edits": [_edit(e) for e in fix.edits],
        "code": _text(fix.code),
    }


def _change(change: Change) -> dict[str, Any]:
    bounds = {"low": change.low, "high": change.high}
    return {
        "path": change.path,
        "op": change.op,
        "value": _plain(change.value),
        **{name: _number(limit) for name, limit in bounds.items() if limit is not None},
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {"layer": _text(edit.layer), "op": edit.op, "setting": edit.setting, "value": _plain(edit.value)}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"check": outcome.check, "outcome": outcome.kind.value, "reason": _text(outcome.reason)}


def _fields(item: Any) -> dict[str, Any]:
    """Return the fields of a flat dataclass, each as JSON can hold it."""
    return {
        f.name: _epoch(getattr(item, f.name)) if f.name in _EPOCH_FIELDS else _plain(getattr(item, f.name))
        for f in dataclasses.fields(item)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _optional(value: float | None) -> float | None:
    return None if value is None else _number(value)


def _epoch(value: float | None) -> int | float | None:
    """Return an epoch as an integer where it is whole."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _text(text: str) -> str:
    """Return text that UTF-8 can hold: a file name may carry bytes that are none (lone surrogates)."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
