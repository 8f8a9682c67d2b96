"""Fuzz ``diagnose.readers.read`` with atheris: ``python -m benchmarks.fuzz.readers --seconds 60``.

The corpus starts from `benchmarks.fuzz.seeds`. A failure is any exception but ReadError, a run without a curve, a
name that is not printable, or an input that takes more than 5 seconds; libFuzzer writes the input that failed to the
working directory as ``crash-*`` or ``timeout-*``. Pass such a file to see what it does: ``--replay FILE``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["diagnose.readers"]):
    # All of them now: what is imported later is not instrumented.
    from diagnose.readers import (
        FOLDER_FORMATS,
        JSON_FORMATS,
        TEXT_FORMATS,
        ReadError,
        binary,
        curves,
        read,
        restarts,
        rows,
        steps,
    )

    for name in sorted({*FOLDER_FORMATS, *JSON_FORMATS, *TEXT_FORMATS}):
        __import__(f"diagnose.readers.{name}")

from benchmarks.fuzz.seeds import seeds

SECONDS_PER_INPUT = 5
MAX_BYTES = 16 * 1024

INSTRUMENTED = (binary, curves, restarts, rows, steps)


def one_input(content: bytes) -> None:
    """Read one input and check what every caller relies on."""
    try:
        runs = read("fuzz", content=content)
    except ReadError as error:
        if not str(error).isprintable():
            raise AssertionError(f"the message is not printable: {error!s:.200}") from error
        return
    if not runs:
        raise AssertionError("no run and no error")
    for run in runs:
        if not (run.series or run.layers):
            raise AssertionError("a run without a curve")
        for series in run.series:
            if not (series.name.isprintable() and len(series.name) <= 200 and len(series)):
                raise AssertionError(f"series {series.name!r:.300} of {len(series)}")
            if (series.epochs[1:] <= series.epochs[:-1]).any():
                raise AssertionError(f"the epochs of {series.name!r} do not increase")


def main() -> None:
    """Run the fuzzer for so many seconds; its exit code is not 0 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--replay", type=Path, help="read this input once and stop")
    parser.add_argument("--corpus", type=Path, help="keep the inputs that reached new code here")
    arguments = parser.parse_args()
    if arguments.replay:
        one_input(arguments.replay.read_bytes())
        return
    with tempfile.TemporaryDirectory() as temporary:
        corpus = arguments.corpus or Path(temporary)
        corpus.mkdir(parents=True, exist_ok=True)
        for name, content in seeds().items():
            (corpus / name).write_bytes(content)
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-timeout={SECONDS_PER_INPUT}",
            f"-max_len={MAX_BYTES}",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
