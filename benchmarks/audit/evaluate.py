"""How often the audit finds the right fault, and how often it finds one in what is sound.

python -m benchmarks.audit              the whole corpus
python -m benchmarks.audit --misses     and what was found instead
python -m benchmarks.audit --held-out second   cases of other authors, who had not seen the checks
python -m benchmarks.audit resnet       cases whose name has this in it
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from benchmarks.audit.case import Case, all_cases
from diagnose.analyze import analyze
from diagnose.audit import audit
from diagnose.finding import Finding, OutcomeKind, Severity
from diagnose.measures.two_sample import wilson

#: The bars, shares.
RIGHT, FALSE_ALARMS = 0.95, 0.03


@dataclass(frozen=True)
class Result:
    """What came of one case."""

    case: Case
    findings: tuple[Finding, ...]
    errors: tuple[str, ...]
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether one of the expected checks has spoken, loudly enough."""
        return any(f.check in self.case.expected and (self.case.is_info or _is_fault(f)) for f in self.findings)

    @property
    def leads(self) -> bool:
        """Whether it stands first in the report."""
        return self.is_right and self.findings[0].check in self.case.expected

    @property
    def is_false_alarm(self) -> bool:
        """Whether something is called a fault in what is sound."""
        return not self.case.expected and any(map(_is_fault, self.findings))

    @property
    def told(self) -> str:
        """What was found, in a few words."""
        return ", ".join(f"{f.check} ({f.severity})" for f in self.findings) or "nothing"


def _is_fault(finding: Finding) -> bool:
    return finding.severity is not Severity.INFO


def evaluate(case: Case) -> Result:
    """Audit one case."""
    keras.utils.set_random_seed(0)
    subject = case.make()
    begun = time.perf_counter()
    run = audit(subject.model, subject.data, batch_size=subject.batch_size, dry_run=subject.dry_run)
    report = analyze(run)
    seconds = time.perf_counter() - begun
    errors = tuple(f"{o.check}: {o.reason}" for o in report.outcomes if o.kind is OutcomeKind.ERROR)
    keras.backend.clear_session()
    gc.collect()
    return Result(case, report.findings, errors, seconds)


def rate(hits: int, n: int) -> str:
    """Return a share with its interval."""
    if not n:
        return "none"
    low, high = wilson(hits, n)
    return f"{hits}/{n} = {100 * hits / n:.1f} % ({100 * max(0.0, low):.0f}-{100 * min(1.0, high):.0f} %)"


def table(results: Sequence[Result]) -> str:
    """Return the figures of each check, as Markdown."""
    faulty = [r for r in results if r.case.expected]
    sound = [r for r in results if not r.case.expected]
    lines = [
        "| check | faulty cases | found | first in the report | false alarms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for check in sorted(
        {r.case.expected[0] for r in faulty} | {f.check for r in sound for f in r.findings if _is_fault(f)}
    ):
        mine = [r for r in faulty if r.case.expected[0] == check]
        alarms = sum(any(f.check == check and _is_fault(f) for f in r.findings) for r in sound)
        found, first = sum(r.is_right for r in mine), sum(r.leads for r in mine)
        lines.append(f"| `{check}` | {len(mine)} | {found} | {first} | {alarms} of {len(sound)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; the exit code is 1 where a check has failed with an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="", help="cases whose name has this in it")
    parser.add_argument("--misses", action="store_true", help="tell what was found where it was wrong")
    parser.add_argument("--without-applications", action="store_true", help="leave keras.applications out (minutes)")
    parser.add_argument("--held-out", choices=("first", "second"), help="cases of authors who had not seen the checks")
    arguments = parser.parse_args(argv)
    cases = [
        case
        for case in all_cases(arguments.held_out or "own")
        if arguments.part in case.name and not (arguments.without_applications and "keras.applications" in case.name)
    ]
    results = []
    for number, case in enumerate(cases, 1):
        print(f"\r\x1b[K{number} of {len(cases)}: {case.name}", end="", file=sys.stderr, flush=True)
        results.append(evaluate(case))
    print("\r\x1b[K", end="", file=sys.stderr)
    if arguments.misses:
        for result in results:
            if result.is_false_alarm or (result.case.expected and not result.is_right):
                wanted = f"expected {' or '.join(result.case.expected)}" if result.case.expected else "is sound"
                print(f"{result.case.name}: {wanted}; found {result.told}")
    errors = [f"{result.case.name}: {error}" for result in results for error in result.errors]
    print("\n".join([*errors, table(results)] if errors else [table(results)]))
    faulty = [r for r in results if r.case.expected]
    sound = [r for r in results if not r.case.expected]
    print(f"\nright finding: {rate(sum(r.is_right for r in faulty), len(faulty))}; bar {100 * RIGHT:.0f} %")
    print(f"first in the report: {rate(sum(r.leads for r in faulty), len(faulty))}")
    alarms = rate(sum(r.is_false_alarm for r in sound), len(sound))
    print(f"false alarms: {alarms} of what is sound; bar {100 * FALSE_ALARMS:.0f} %")
    slowest = max(results, key=lambda r: r.seconds, default=None)
    if slowest is not None:
        print(f"slowest audit: {slowest.case.name}, {slowest.seconds:.1f} s, once Keras is loaded and the model built")
    return 1 if errors else 0
