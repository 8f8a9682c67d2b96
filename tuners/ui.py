"""The command ``tune ui``."""

from __future__ import annotations

import click

from diagnose.command_line import EXIT_FINE


@click.command(epilog="Exit codes: 0 ended with Ctrl-C; 2 there is no store, or MLflow does not start.")
@click.option(
    "--store",
    metavar="URI",
    help="Tracking store: a database, a file, or the address of a server.  [default: MLFLOW_TRACKING_URI, else "
    "mlruns/mlflow.db]",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where it listens; 0.0.0.0 lets other machines in."
)
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="[default: 5000, or the next that is free]")
@click.option(
    "--open/--no-open", "opens", default=False, show_default=True, help="Open the newest search in a browser."
)
def ui(store: str | None, host: str, port: int | None, opens: bool) -> int:
    """Open MLflow's UI on the project's store, with links to the comparison of every search's trials."""
    from diagnose.tracking.store import TrackingError
    from tuners import mlflow_ui

    try:
        mlflow_ui.show(store, host, port, opens=opens)
    except TrackingError as error:
        raise click.ClickException(str(error)) from None
    return EXIT_FINE
