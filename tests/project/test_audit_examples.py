"""The classic mistakes, typed in as a beginner would: each leads the report, and its mechanical fixes cure it."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from diagnose import discovery, user_code
from diagnose.analyze import analyze
from diagnose.check import load_checks
from diagnose.finding import Finding, Severity
from diagnose.fix import Applicability, Fix
from diagnose.report import RunReport
from diagnose.run import Run

EXAMPLES = Path(__file__).parents[2] / "examples" / "audit"
SOUND = "sound"
FAULTY = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != SOUND)
CHECKS = {check.id: check for check in load_checks(("model", "data"))}


def functions(name: str) -> set[str]:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def model(name: str) -> str | None:
    """What the command line would be given for the model of an example; None where it has none."""
    return f"{EXAMPLES / name}.py:build" if "build" in functions(name) else None


def data(name: str) -> Any:
    """What goes into `fit`; None where the example has no data."""
    return user_code.function(f"{EXAMPLES / name}.py:load")() if "load" in functions(name) else None


def audited(name: str, *, dry_run: bool) -> Run:
    from diagnose.audit import audit

    return audit(model(name), data(name), dry_run=dry_run)


def needs_dry_run(name: str) -> bool:
    return "dry_run" in CHECKS[name.replace("_", "-")].declaration.needs.before


def faults(report: RunReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def test_every_check_of_models_and_data_has_an_example() -> None:
    ids = {discovery.check_id(module) for family, module in discovery.built_in() if family in ("model", "data")}
    assert {name.replace("_", "-") for name in FAULTY} == ids


@pytest.mark.parametrize("name", [*FAULTY, SOUND])
def test_an_example_says_what_was_wanted_and_is_short(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    about = ast.get_docstring(ast.parse(text)) or ""
    assert about.startswith("Wanted: ") or name == SOUND
    assert len(about.split("\n\n")) == 2
    assert functions(name) & {"build", "load"}
    assert len(text.splitlines()) <= 45


@pytest.mark.keras
@pytest.mark.slow
def test_a_sound_model_with_sound_data_passes() -> None:
    assert [(f.check, f.summary) for f in faults(analyze(audited(SOUND, dry_run=True)))] == []


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTY)
def test_an_example_leads_with_its_fault_and_has_no_other(name: str) -> None:
    id = name.replace("_", "-")
    report = analyze(audited(name, dry_run=needs_dry_run(name)))
    assert report.findings, "nothing was found"
    assert report.findings[0].check == id, report.findings[0].summary
    assert [(f.check, f.summary) for f in faults(report) if f.check != id and id not in f.caused_by] == []


def fixes_with_edits(report: RunReport) -> list[Fix]:
    return [fix for fix in report.findings[0].fixes if fix.edits]


def alone(report: RunReport, fix: Fix) -> RunReport:
    """The report with one fix of its leading finding, which may be applied."""
    allowed = dataclasses.replace(fix, applicability=Applicability.SAFE)
    return dataclasses.replace(report, findings=(dataclasses.replace(report.findings[0], fixes=(allowed,)),))


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTY if "build" in functions(name)])
def test_a_fix_with_edits_cures(name: str, tmp_path: Path) -> None:
    """In the source; where that makes or sets a layer in some other place, in the configuration of the stored model."""
    from diagnose.audit import of_loaded, sampled
    from diagnose.audit.fixing import mend
    from diagnose.audit.loading import Loaded, load

    id = name.replace("_", "-")
    source = load(str(model(name)))
    stored = dataclasses.replace(source, format="keras-model", path=tmp_path / "model.keras")
    samples = sampled(data(name))

    def look(at: Loaded) -> Run:
        return of_loaded(at, samples, dry_run=needs_dry_run(name))

    def cures(fix: Fix, loaded: Loaded) -> bool:
        mended = mend(loaded, alone(report, fix), look)
        grave = report.findings[0].severity.rank
        return mended.report is not None and not any(
            finding.check == id and finding.severity.rank >= grave for finding in mended.report.findings
        )

    report = analyze(look(source))
    assert [fix.id for fix in fixes_with_edits(report) if not cures(fix, source) and not cures(fix, stored)] == []
