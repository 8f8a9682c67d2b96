"""Ray for the time of a search: a private cluster on this machine, or one that runs and is joined.

Nothing here imports Ray at the top: the mode of authentication is read from the environment when Ray is imported.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recipes.errors import RecipeError, one_line

#: A cluster answers within seconds; these are for one that is busy.
_ANSWER = 60.0
_CONNECT = 5.0
#: The environment's names for a token, and the file that `ray get-auth-token --generate` writes.
_TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_TOKEN_FILE = Path("~/.ray/auth_token")

_QUIET: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}


def start(workers: int) -> None:
    """Start a cluster of this process' own on this machine, with a place for each worker.

    Authentication is Ray's default: by a token, which is made where there is none.

    Parameters
    ----------
    workers
        How many trials at a time.

    Raises
    ------
    RecipeError
        It does not start, or there is one in this process already.
    """
    # Ray would let its workers run only when nobody else wants to: beside a browser a trial would take for ever.
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray = _imported()
    # Found as this process finds it; the packages of the environment come after the user's own either way.
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    with _private_files(), _told("Ray does not start on this machine"):
        ray.init(
            "local",  # never one that RAY_ADDRESS names
            num_cpus=workers,
            include_dashboard=False,
            runtime_env={"env_vars": variables},
            **_QUIET,
        )


def join(address: str, files: Sequence[Path]) -> None:
    """Join a cluster that runs.

    Parameters
    ----------
    address
        ``host:port`` of its head, or ``auto`` on a machine of the cluster.
    files
        The user's own Python files, relative to the current folder, which workers find where they are here.

    Raises
    ------
    RecipeError
        It does not answer, refuses the token, has other versions, or this machine is not part of it.
    """
    _check_address(address)
    if "RAY_AUTH_MODE" not in os.environ and _has_token():
        os.environ["RAY_AUTH_MODE"] = "token"  # Ray shows a token to a named cluster only where it is told to
    ray = _imported()
    _check_answer(address)
    environment: dict[str, Any] = {}
    with _staged(files) as folder, _told(f"--cluster {address}", hint="run tune on a machine of the cluster"):
        if folder is not None:
            environment["working_dir"] = folder
        ray.init(address, runtime_env=environment, **_QUIET)


def _imported() -> Any:
    """Return Ray, which from then on keeps its remarks on workers that die to its logs: the search tells of them."""
    try:
        import ray
        from ray._private import worker
    except ModuleNotFoundError:
        raise RecipeError("--workers and --cluster need Ray: pip install 'kerasdx[distributed]'") from None
    if hasattr(worker, "print_to_stdstream"):  # no setting turns them off, and they would tear the table of trials
        vars(worker)["print_to_stdstream"] = lambda *_, **__: None
    if ray.is_initialized():
        raise RecipeError("Ray is in use in this process already; end it with ray.shutdown(), or search in another one")
    return ray


def threads(count: int) -> dict[str, str]:
    """Return the environment in which a worker uses so many cores, to be set before TensorFlow is imported."""
    libraries = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {
        **dict.fromkeys(libraries, str(count)),
        # Replicas on one processor wait for each other in a pool of one thread.
        "TF_NUM_INTEROP_THREADS": str(max(2, count)),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _has_token() -> bool:
    return any(os.environ.get(name) for name in _TOKEN_VARIABLES) or _TOKEN_FILE.expanduser().is_file()


def _check_address(address: str) -> None:
    """Refuse an address that nobody listens at; Ray would wait for minutes.

    Raises
    ------
    RecipeError
        It is none, or nobody answers there.
    """
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdigit():
        raise RecipeError(f"--cluster {address}: write HOST:PORT of the head node, as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or one_line(error)
        raise RecipeError(
            f"--cluster {address}: nobody answers there ({why}); is it the head's, and running?"
        ) from None


def _check_answer(address: str) -> None:
    """Ask the cluster for its state, in a process that can be ended: a refused token makes Ray try for long.

    Raises
    ------
    RecipeError
        It asks for a token, or is no cluster.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise RecipeError(f"--cluster {address}: no answer within {_ANSWER:g} seconds; is it a Ray cluster?") from None
    if asked.returncode == 0:
        return
    said = asked.stdout + asked.stderr
    if "AuthenticationError" in said or "InvalidAuthToken" in said:
        raise RecipeError(
            f"--cluster {address}: it refuses this machine's token; put that of the head (ray get-auth-token) "
            "into ~/.ray/auth_token or RAY_AUTH_TOKEN"
        )
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no answer")
    raise RecipeError(f"--cluster {address}: {last.strip()[:200]}; is it a Ray cluster?")


@contextmanager
def _told(what: str, hint: str = "") -> Iterator[None]:
    """Make what goes wrong in Ray one line."""
    import ray

    try:
        yield
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise RecipeError(f"{what}: {one_line(error)}{f'; {hint}' if hint else ''}") from None


@contextmanager
def _private_files() -> Iterator[None]:
    """Keep the files that are made meanwhile from other users: Ray lets everybody read a new token and the logs."""
    former = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(former)


@contextmanager
def _staged(files: Sequence[Path]) -> Iterator[str | None]:
    """Copy files into a folder of their own, which Ray ships; None where there are none.

    Raises
    ------
    RecipeError
        One is not below the current folder.
    """
    if not files:
        yield None
        return
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        for path in files:
            inside = (here / path).resolve()
            if not inside.is_relative_to(here.resolve()):
                raise RecipeError(f"{path}: only files below the current folder can be shipped to a cluster")
            place = Path(folder) / inside.relative_to(here.resolve())
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(inside, place)
        yield folder
