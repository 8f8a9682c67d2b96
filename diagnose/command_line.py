"""What the commands of this project have in common: every error is one line, and every end has its exit code."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from diagnose import console

EXIT_FINE, EXIT_FINDINGS, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130


class OneLine:
    """Mixed into a command or a group: errors are one line on standard error and exit code 2, never a traceback."""

    name: str | None

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command and leave with its exit code."""
        program = str(self.name)
        extra |= {"standalone_mode": False, "prog_name": program}
        try:
            code = super().main(*args, **extra)  # type: ignore[misc]
        except click.UsageError as error:
            usage = error.ctx.command_path if error.ctx else program
            code = fail(program, f"{error.format_message()} ('{usage} -h' shows the usage)")
        except click.ClickException as error:
            code = fail(program, error.format_message())
        except (click.Abort, KeyboardInterrupt):
            code = EXIT_INTERRUPTED
        except Exception as error:
            code = fail(program, internal(error))
        sys.exit(code)


class OneLineCommand(OneLine, click.Command):
    """A command."""


class OneLineGroup(OneLine, click.Group):
    """A command with commands of its own."""


def fail(program: str, message: str) -> int:
    """Complain in a line, and return the exit code for what cannot be done."""
    console.complain(message, program)
    return EXIT_ERROR


def internal(error: Exception) -> str:
    """Return the line for an error that is ours; the traceback only where it is asked for."""
    if os.environ.get("KERASDX_DEBUG"):
        import traceback

        traceback.print_exception(error)
    what = f"internal error ({type(error).__name__}: {error})"
    return f"{what}; please report it with the log (KERASDX_DEBUG=1 shows where it is)"
