"""Mend a model: make the edits of safe fixes, and look whether what comes of it passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from diagnose import console
from diagnose.analyze import analyze
from diagnose.audit import configuration_edits, source_edits
from diagnose.audit.configuration_edits import EditError
from diagnose.audit.loading import Loaded, load
from diagnose.blueprint import Blueprint
from diagnose.finding import Finding, Severity
from diagnose.fix import Applicability, Edit
from diagnose.readers.base import ReadError
from diagnose.renderers import wording
from diagnose.report import RunReport
from diagnose.run import Run

#: A mended model may show what the fault had hidden: so often it is looked at and mended again.
_ROUNDS = 4
#: Layers that are named one by one.
_MOST_NAMES = 5
PYTHON = "python"


@dataclass(frozen=True)
class Mended:
    """What has come of it.

    Parameters
    ----------
    lines
        What to tell a person, one line each.
    difference
        Of a source file, as ``patch`` takes it; empty for others.
    report
        What is found in the mended model; None where nothing was mended.
    """

    lines: tuple[str, ...]
    difference: str = ""
    report: RunReport | None = None


def mend(loaded: Loaded, report: RunReport, look: Callable[[Loaded], Run]) -> Mended:
    """Make the edits of the safe fixes of a model's findings.

    A model file is left as it is: its mended configuration is written beside it. A source file is left as it is too:
    what has to be changed is returned.

    Parameters
    ----------
    loaded
        The model.
    report
        What was found in it.
    look
        Looks at a model as it was looked at before, with the same data.
    """
    work = _Source(loaded) if loaded.format == PYTHON else _Configuration(loaded)
    current, made, tried, refused = report, list[Edit](), list[Edit](), list[str]()
    for _ in range(_ROUNDS):
        edits = _safe_edits(current, tried)
        if not edits:
            break
        tried += edits
        work.show(current.run.model)
        taken = _taken(work, edits, refused)
        if not taken:
            continue
        made += taken
        try:
            current = analyze(look(work.rebuilt()))
        except ReadError as error:
            return Mended((f"the mended model cannot be made, so nothing is changed: {error}",))
    lines = [f"left to you: {text}" for text in dict.fromkeys(refused)]
    lines += [f"left to you: {finding.check}: {_by_hand(finding)}" for finding in _left(current)]
    if not made:
        return Mended(("nothing here can be mended without a person", *lines))
    done = (f"{work.deliver()}: {_told(made)}", f"the mended model: {current.verdict}")
    return Mended((*done, *lines), work.difference, current)


def _safe_edits(report: RunReport, tried: Sequence[Edit] = ()) -> list[Edit]:
    """Return what the first safe fix of each fault changes and was not tried, causes first, each setting once.

    What is worth knowing and no fault has its turn once no fault has an edit: mending one may take its ground away.
    """
    faults = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    return _edits_of(faults, tried) or _edits_of(report.findings, tried)


def _edits_of(findings: Sequence[Finding], tried: Sequence[Edit]) -> list[Edit]:
    edits: dict[tuple[str, str], Edit] = {}
    for finding in findings:
        fix = next((fix for fix in finding.fixes if fix.applicability is Applicability.SAFE and fix.edits), None)
        for edit in fix.edits if fix else ():
            edits.setdefault((edit.layer, edit.setting), edit)
    return [edit for edit in edits.values() if edit not in tried]


def _taken(work: _Configuration | _Source, edits: Sequence[Edit], refused: list[str]) -> list[Edit]:
    taken = []
    for edit in edits:
        try:
            work.apply(edit, edits)
            taken.append(edit)
        except EditError as error:
            refused.append(f"{wording.edit(edit)} ({error})")
    return taken


def _told(edits: Sequence[Edit]) -> str:
    """Return changes in words, the same change of several layers once."""
    alike: dict[tuple[str, str, str], list[Edit]] = {}
    for edit in edits:
        alike.setdefault((edit.op, edit.setting, repr(edit.value)), []).append(edit)
    return "; ".join(wording.edit(replace(same[0], layer=_several(same))) for same in alike.values())


def _several(edits: Sequence[Edit]) -> str:
    names = [edit.layer for edit in edits]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _left(report: RunReport) -> Iterator[Finding]:
    yield from (finding for finding in report.findings if finding.severity is not Severity.INFO)


def _by_hand(finding: Finding) -> str:
    return finding.fixes[0].title if finding.fixes else finding.summary


class _Configuration:
    """A model file, mended in its configuration."""

    difference = ""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._configuration = json.loads(loaded.model.to_json())

    def show(self, model: Blueprint | None) -> None:
        """Nothing is to be seen: each layer is in the configuration by its name."""

    def apply(self, edit: Edit, wanted: Sequence[Edit]) -> None:  # noqa: ARG002 - each layer is there by itself
        self._configuration = configuration_edits.apply(self._configuration, [edit])

    def rebuilt(self) -> Loaded:
        try:
            model = keras.models.model_from_json(json.dumps(self._configuration))
        except Exception as error:  # whatever Keras says of it
            raise ReadError(console.one_line(f"{type(error).__name__}: {error}")[:300]) from error
        return replace(self._loaded, model=model)

    def deliver(self) -> str:
        """Write the configuration beside the model, under a name that is free, and say so."""
        source = self._loaded.path or Path(self._loaded.source)
        target = source.with_name(f"{source.stem}-fixed.json")
        number = 2
        while target.exists():
            target = source.with_name(f"{source.stem}-fixed-{number}.json")
            number += 1
        console.write_file(target, json.dumps(self._configuration, indent=1))
        return f"wrote {target} (for keras.models.model_from_json; the weights begin anew)"


class _Source:
    """The user's function, mended in a copy of its file."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        assert loaded.path is not None
        self._path = loaded.path
        self._before = self._after = _text(loaded.path)
        self._places: Mapping[str, source_edits.Place] = {}

    def show(self, model: Blueprint | None) -> None:
        """Note where the layers of a model are made that the file makes as it is now."""
        self._places = {} if model is None else _places(model)

    def apply(self, edit: Edit, wanted: Sequence[Edit]) -> None:
        self._after, self._places = source_edits.apply(self._after, edit, self._places, wanted)

    def rebuilt(self) -> Loaded:
        return load(self._loaded.source, text=self._after)

    @property
    def difference(self) -> str:
        here = Path.cwd()
        is_below = self._path.resolve().is_relative_to(here)
        name = self._path.resolve().relative_to(here) if is_below else Path(self._path.name)
        return source_edits.difference(self._before, self._after, name.as_posix())

    def deliver(self) -> str:
        return f"the diff mends {self._path.name} (git apply, or patch -p1)"


def _text(path: Path) -> str:
    """Return a source with its line breaks as they are: a patch has to fit them."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ReadError("is not in UTF-8, and is not mended", "save the file in UTF-8") from None


def _places(model: Blueprint) -> dict[str, source_edits.Place]:
    """Return where the user's file makes each layer."""
    return {
        layer.name: source_edits.Place(layer.line, layer.kind, _parameters(layer.kind))
        for layer in model.layers
        if layer.line is not None
    }


def _parameters(kind: str) -> tuple[str, ...]:
    found = getattr(keras.layers, kind, None)
    return source_edits.parameters_of(found) if found is not None else ()
