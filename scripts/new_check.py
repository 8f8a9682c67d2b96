"""Begin a check: its file and its test, which pass as they are, to be changed into what you mean.

python -m scripts.new_check curves late-spike
python -m scripts.new_check layers shrinking-weights
python -m scripts.new_check model wide-layer
python -m scripts.new_check data negative-inputs
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from diagnose import discovery
from diagnose.run import LAYER_STATISTICS

ROOT = Path(__file__).parents[1]

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_PAGE = '''"""The one line that lists of checks show: what is wrong, not how it is found.

What it detects
---------------
What a person would see in {seen_in}, in a sentence or two.

How it is detected
------------------
The formula, with every threshold named: here, {rule}
{advice}

Why it matters
--------------
What it costs whoever does not notice.

How to fix
----------
What to try, the cheapest first. The fixes of the finding say the same as data and code.

References
----------
Where the rule comes from, or what it was measured on.
"""

from __future__ import annotations
'''

_OF_LOGS = '''
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Finding, Point, Severity
from diagnose.remedies import training
from diagnose.run import Run

CHECK = Check({needs}, fault=Fault.UNSTABLE)


@dataclass(frozen=True)
class Options:
    """Thresholds of {id}."""

    rise: float = threshold(
        3.0,
        unit="x best",
        source="where the number comes from",
        help="end of {measured} over its best from which it is reported",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
{values}
    best, end = float(values.min()), float(values[-1])
    if best <= 0 or end <= options.rise * best:
        return
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=f"{summary} ends at {{end:.4g}} after a best of {{best:.4g}}.",
        epoch=float(epochs[values.argmin()]),
        evidence=(
            Point(
                label="end over best",
                value=end / best,
                threshold=options.rise,
                unit="x best",
                series={series},
                epoch=float(epochs[-1]),
            ),
        ),
        fixes=(training.stop_early(),),
    )
'''

_OF_MODELS = '''
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.remedies import model
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model",)), fault=Fault.OVERFIT)


@dataclass(frozen=True)
class Options:
    """Thresholds of {id}."""

    most: float = threshold(
        4096.0,
        unit="units",
        source="where the number comes from",
        help="units of a dense layer up to which nothing is said",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for each layer that is too wide."""
    if run.model is None:
        return
    for layer in run.model.layers:
        units = layer.settings.get("units")
        if layer.kind != "Dense" or not isinstance(units, int) or units <= options.most:
            continue
        yield Finding(
            severity=Severity.WARNING,
            confidence=0.8,
            summary=f"Layer {{layer.name}} has {{units}} units.",
            layers=(layer.name,),
            evidence=(
                Comparison(
                    label="units beyond the most",
                    value=units - options.most,
                    threshold=0.0,
                    unit="units",
                    left_name=f"units of {{layer.name}}",
                    left=units,
                    right_name="the most",
                    right=options.most,
                ),
            ),
            fixes=(model.shrink(),),
        )
'''

_OF_DATA = '''
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.remedies import data
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("data",)), fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """Thresholds of {id}."""

    most: float = threshold(
        1000.0,
        unit="",
        source="where the number comes from",
        help="size of a number among the inputs up to which nothing is said",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for each input that has too large a number."""
    if run.data is None:
        return
    for name, array in run.data.training.inputs.items():
        if array.dtype.kind not in "iuf":  # text, objects
            continue
        numbers = np.abs(array[np.isfinite(array)].astype(float))
        largest = float(numbers.max(initial=0.0))
        if largest <= options.most:
            continue
        yield Finding(
            severity=Severity.WARNING,
            confidence=0.8,
            summary=f"The largest number in {{name}} is {{largest:.4g}}.",
            evidence=(
                Comparison(
                    label="largest number beyond the most",
                    value=largest - options.most,
                    threshold=0.0,
                    left_name=f"largest number in {{name}}",
                    left=largest,
                    right_name="the most",
                    right=options.most,
                ),
            ),
            fixes=(data.standardize_inputs(),),
        )
'''

#: Family -> what follows the page, a format of what `_PARTS` has.
_CODE = {"curves": _OF_LOGS, "layers": _OF_LOGS, "model": _OF_MODELS, "data": _OF_DATA}

_OF_A_LOG = {
    "seen_in": "the log",
    "advice": "Scale a rule by the run's own noise and length (`diagnose.measures.curve`), never by absolute numbers.",
}
_BEFORE = {
    "advice": "Stay silent where something is not known: a false alarm costs more than what is missed.",
}

_PARTS = {
    "curves": _OF_A_LOG
    | {
        "rule": "the training loss ends above `rise` times its best.",
        "measured": "the training loss",
        "needs": 'needs=Needs(any_of=(("loss",),), min_epochs=5)',
        "values": """    loss = run.get("loss")
    if loss is None:
        return
    values, epochs = loss.values, loss.epochs""",
        "summary": "{loss.name}",
        "series": "loss.name",
    },
    "layers": _OF_A_LOG
    | {
        "rule": "the largest gradient norm ends above `rise` times its best.",
        "measured": "the largest gradient norm",
        "needs": 'needs=Needs(statistics=("grad_norm",), min_epochs=5)',
        "values": """    gradients = run.layers["grad_norm"]
    values, epochs = gradients.values.max(axis=1), gradients.epochs""",
        "summary": "The largest gradient norm",
        "series": '"grad_norm"',
    },
    "model": _BEFORE | {"seen_in": "the layer table", "rule": "a dense layer has more than `most` units."},
    "data": _BEFORE | {"seen_in": "the data", "rule": "a number of an input is larger than `most`."},
}

_TEST_OF_LOGS = '''"""{id}: say here in one line what the check is for."""

from __future__ import annotations

from collections.abc import Sequence

from diagnose import diagnose
from diagnose.finding import OutcomeKind
from diagnose.report import RunReport

ID = "{id}"


def report(values: Sequence[float]) -> RunReport:
    return diagnose({{{log}}}, select=[ID]).runs[0]


def test_fires() -> None:
    (finding,) = report([1.0, 0.6, 0.4, 0.2, 0.5, 0.9]).findings
    assert finding.check == ID
    assert finding.epoch == 3
    assert finding.evidence[0].value > 3


def test_quiet_just_under_the_threshold() -> None:
    assert not report([1.0, 0.6, 0.4, 0.2, 0.5, 0.59]).findings


def test_quiet_on_a_healthy_look_alike() -> None:
    assert not report([1.0, 0.6, 0.4, 0.3, 0.32, 0.28]).findings


def test_not_applicable_without_enough_epochs() -> None:
    outcome = next(o for o in report([1.0, 0.5, 0.9]).outcomes if o.check == ID)
    assert outcome.kind == OutcomeKind.NOT_APPLICABLE
    assert "5 epochs" in outcome.reason
'''

_TEST_BEFORE = '''"""{id}: say here in one line what the check is for."""

from __future__ import annotations

{imports}from diagnose.finding import OutcomeKind
from diagnose.run import Run
from tests import blueprints

ID = "{id}"


def {subject}({given}) -> Run:
{made}


SICK = {subject}({sick})


def test_fires() -> None:
    (finding,) = blueprints.findings(ID, SICK)
    assert finding.check == ID
    assert "{sick}" in finding.summary
    assert finding.evidence[0].value == 1


def test_quiet_just_under_the_threshold() -> None:
    assert not blueprints.findings(ID, {subject}({under}))


def test_quiet_on_a_healthy_look_alike() -> None:
    assert not blueprints.findings(ID, blueprints.planned(blueprints.classifier(), blueprints.data()))


def test_not_applicable_without_{lacking}() -> None:
    (outcome,) = blueprints.report(ID, blueprints.planned({other})).outcomes
    assert outcome.kind == OutcomeKind.NOT_APPLICABLE
'''

_TESTS = {
    "curves": _TEST_OF_LOGS,
    "layers": _TEST_OF_LOGS,
    "model": _TEST_BEFORE,
    "data": _TEST_BEFORE,
}

_TEST_PARTS = {
    "curves": {"log": '"loss": list(values)'},
    "layers": {"log": '"loss": [1.0] * len(values), "grad_norm/dense": list(values)'},
    "model": {
        "imports": "",
        "subject": "network",
        "given": "units: int",
        "made": """    hidden = blueprints.dense(units, "relu", initializer=blueprints.HE)
    return blueprints.planned(blueprints.model(hidden, blueprints.dense(10, "softmax", given=units)))""",
        "sick": "4097",
        "under": "4096",
        "lacking": "a_model",
        "other": "data=blueprints.data()",
    },
    "data": {
        "imports": "import numpy as np\n\n",
        "subject": "samples",
        "given": "largest: float",
        "made": """    inputs = np.zeros((600, 32))
    inputs[7, 3] = largest
    return blueprints.planned(data=blueprints.data(inputs=inputs))""",
        "sick": "1001",
        "under": "1000",
        "lacking": "data",
        "other": "blueprints.classifier()",
    },
}

_NEXT = """wrote {check}
wrote {test}

Next:
  1. Write the rule and the docstring in {check}: what the rule measures, its thresholds, the fixes.
     Measures to build on: diagnose/measures. Fixes: diagnose/remedies. {data}
  2. Give {test} a run where it fires, one just under the threshold,
     a healthy look-alike and one where it is not applicable:
       .venv/bin/python -m pytest {test}
  3. Does another finding explain it, or it another? Say so in CHECK: explains=("...",).
  4. See how often it is right:   .venv/bin/python -m {benchmark}
  5. {show}, and write its page:   make docs
  6. A line in CHANGELOG.md, then:   make lint types test
"""

_ON_RUNS = {"benchmark": "benchmarks.faults.evaluate --half tune --misses", "show": "Show a run in which it fires"}
_ON_AUDITS = {"benchmark": "benchmarks.audit", "show": "Show it in examples/audit/{module}.py"}

#: Family -> what `_NEXT` says of it.
_ADVICE = {
    "curves": _ON_RUNS | {"data": 'run.get("val_loss") and the like give the curves.'},
    "layers": _ON_RUNS | {"data": f'run.layers["..."] has: {", ".join(LAYER_STATISTICS)}.'},
    "model": _ON_AUDITS | {"data": "run.model is a diagnose.blueprint.Blueprint."},
    "data": _ON_AUDITS | {"data": "run.data is a diagnose.sample.DataSample."},
}


def scaffold(family: str, id: str, root: Path = ROOT) -> tuple[Path, Path]:
    """Write the check's file and its test, and return their paths below `root`.

    Raises
    ------
    ValueError
        The id is no id, or is taken; nothing is written then.
    """
    if family not in _PARTS:
        raise ValueError(f"there is no family {family!r}; one of {', '.join(_PARTS)}")
    if not _ID.fullmatch(id):
        near = re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")
        hint = f", for example {near}" if _ID.fullmatch(near) else ""
        raise ValueError(f"{id!r} is no id: small letters and digits, words apart by a hyphen{hint}")
    module = id.replace("-", "_")
    check = Path("diagnose", "checks", family, f"{module}.py")
    test = Path("tests", "checks", f"test_{module}.py")
    taken = [path for path in (check, test) if (root / path).exists()]
    if id in discovery.ids() or taken:
        raise ValueError(f"{id} is taken" + (f": {taken[0]} exists" if taken else ""))
    for path, text in (
        (check, (_PAGE + _CODE[family]).format(id=id, **_PARTS[family])),
        (test, _TESTS[family].format(id=id, **_TEST_PARTS[family])),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="\n")
    return check, test


def main(argv: Sequence[str] | None = None) -> int:
    """Write the two files and say what comes next; 2 where the id or the family is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", help=" or ".join(_PARTS))
    parser.add_argument("id", help="what --explain will know it by: words in small letters, apart by hyphens")
    arguments = parser.parse_args(argv)
    try:
        check, test = scaffold(arguments.family, arguments.id)
    except ValueError as error:
        print(f"new_check: {error}", file=sys.stderr)
        return 2
    near = difflib.get_close_matches(arguments.id, [i for i in discovery.ids() if i != arguments.id], n=1, cutoff=0.75)
    if near:
        print(f"There is a check of a similar name, {near[0]}: is it the same thing?\n")
    advice = {name: text.format(module=check.stem) for name, text in _ADVICE[arguments.family].items()}
    print(_NEXT.format(check=check, test=test, **advice), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
