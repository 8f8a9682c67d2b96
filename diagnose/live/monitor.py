"""`Monitor`, the Keras callback: it records a training, diagnoses it while it goes on, and says what it finds."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from diagnose import discovery
from diagnose.analyze import Selection, analyze
from diagnose.finding import Finding, Severity
from diagnose.live import facts
from diagnose.live.log import STOPPED, Log
from diagnose.live.mirror import Mirror
from diagnose.live.record import Record
from diagnose.live.sampling import Sampling
from diagnose.news import News, line
from diagnose.report import Report, RunReport
from diagnose.run import Run

if TYPE_CHECKING:
    from diagnose.blueprint import Blueprint
    from diagnose.tracking.live import LiveRun

OnFinding = Literal["warn", "stop"] | Callable[[Finding], object]

#: What belongs to one training in one process and is not copied.
_HANDLES = ("_model", "params", "_log", "_sampling", "_mirror", "_tracked", "_blueprint", "_audited")
#: Up to this epoch every one is judged as it ends; later ones ever more rarely: the cost stays a constant share.
_ALL_JUDGED = 100
#: What fails where the model cannot be looked at before its training.
_AUDIT = "the audit of the model"
#: What fails where the user's own function does; findings are told in lines from then on.
_OWN_FUNCTION = "the function given as on_finding"
#: Keras and TensorFlow tell errors in pages.
_LONGEST_ERROR = 300
#: Rows that are kept while they cannot be written (the disk is full, a server is away).
_KEPT_ROWS = 256


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """Keep an error of Monitor's own away from the training: it is said once, and Monitor steps aside."""

    @functools.wraps(hook)
    def guarded(self: Monitor, *args: Any, **kwargs: Any) -> None:
        try:
            self._is_aside &= hook.__name__ != "on_train_begin"
            if not self._is_aside:
                hook(self, *args, **kwargs)
            elif hook.__name__ in ("on_epoch_begin", "on_train_end"):
                self._speak()
        except Exception as error:
            self._step_aside(error)

    return guarded


class Monitor(keras.callbacks.Callback):
    """Watches a training: records its curves and layer statistics, and says as it goes what is wrong.

    Parameters
    ----------
    path
        The log, a CSV with one row per epoch; ``run.json`` beside it holds the set-up. A training that is started again
        appends. Without a path nothing is written, and `report` has the diagnosis.
    on_finding
        What happens when something is found: ``"warn"`` prints a line, ``"stop"`` also ends the training where it is
        lost, a function is called with the `Finding`, and ends the training by returning ``"stop"``.
    severity
        The least severity that on_finding is for: ``info``, ``warning`` (the default) or ``critical``. If it is given,
        ``"stop"`` stops at any finding from there on, and not only where the training is lost.
    select, ignore, options
        Which checks, with which thresholds, as in `diagnose.diagnose`.
    layers
        Whether to look at gradients, weights and activations, or at the curves alone.
    probe
        Samples on which activations are looked at: an array, or what the model takes as input. By default the first
        64 samples that it is trained on.
    audit
        Whether to look at the model itself, as ``diagnose MODEL`` does, before the first epoch: what shows without any
        training is told then. It stops no training.
    append
        Whether to go on below an older log of this name. If not, the older one is renamed, never overwritten.
    tensorboard
        A folder to which the same numbers are written as TensorBoard events.
    mlflow
        Whether to log the training to MLflow, with its diagnosis, while it goes on: into the active run, else into a
        new one. A text is the address of the store; by default it is the one that MLflow is set to, else
        ``mlruns/mlflow.db``. See `flush`.

    Notes
    -----
    The training is the same with and without it, to the last bit. What goes wrong in it is said in one line and leaves
    the training alone. One thing it does by itself: where weights have become NaN or infinite, no step can change them
    back, and the training is ended, whatever `on_finding` says.

    Examples
    --------
    >>> from diagnose import Monitor
    >>> model.fit(x, y, epochs=20, callbacks=[Monitor("run.csv")])  # doctest: +SKIP
    """

    #: Keras may call `on_train_batch_end` beside the training instead of between its steps.
    async_safe = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        on_finding: OnFinding = "warn",
        severity: str | None = None,
        select: Iterable[str] = (),
        ignore: Iterable[str] = (),
        options: Mapping[str, Mapping[str, float]] | None = None,
        layers: bool = True,
        probe: Any = None,
        audit: bool = True,
        append: bool = True,
        tensorboard: str | os.PathLike[str] | None = None,
        mlflow: bool | str = False,
    ) -> None:
        super().__init__()
        if not callable(on_finding) and on_finding not in ("warn", "stop"):
            raise ValueError(f'on_finding is "warn", "stop" or a function, not {on_finding!r}')
        if not isinstance(mlflow, bool | str):
            raise ValueError(f"mlflow is True, False or the address of a store, not {mlflow!r}")
        if severity is not None and severity not in tuple(Severity):
            raise ValueError(f'severity is "info", "warning" or "critical", not {severity!r}')
        self._path = None if path is None else Path(path)
        self._on_finding = on_finding
        self._severity = None if severity is None else Severity(severity)
        self._selection = Selection.of(select, ignore, options)
        self._layers = layers
        self._probe = probe
        self._audits = audit
        self._append = append
        self._tensorboard = tensorboard
        self._mlflow = mlflow
        self._record = Record(str(path) if path is not None else "Monitor")
        self._config: dict[str, Any] = {}
        self._is_over = False
        self._is_aside = False
        self._log: Log | None = None
        self._sampling: Sampling | None = None
        self._blueprint: Blueprint | None = None
        self._audited: RunReport | None = None
        self._mirror: Mirror | None = None
        self._tracked: LiveRun | None = None
        self._news = News()
        self._lines: list[str] = []
        self._broken: set[str] = set()
        self._last_batch: int | None = None
        self._epochs = 0
        self._told: dict[str, int] = {}
        self._unwritten: deque[Mapping[str, Any]] = deque(maxlen=_KEPT_ROWS)
        self._is_full = False
        #: Why the training was ended: ``check``, ``reason``, ``epoch``.
        self.stopped: dict[str, Any] | None = None
        #: What there is no hope after: ``on_finding="stop"`` ends the training for it.
        self.lost: Finding | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: settings and what was recorded; no model, no open file."""
        return {**self.__dict__, **dict.fromkeys(_HANDLES)}

    @property
    def report(self) -> Report:
        """The diagnosis of the training so far; of the whole one after its end."""
        return Report(runs=(self._judged(live=not self._is_over),))

    @_guarded
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the log and build the sampling into the training step."""
        self._close()
        self._broken.clear()
        self._told.clear()
        self.stopped, self._is_over, self._last_batch, self._epochs = None, False, None, 0
        self.lost, self._blueprint, self._audited = None, None, None
        self._news.planned = self._parameter("epochs")
        self._attempt("facts about the training", self._note_set_up)
        if self._path is not None or self._mlflow:
            self._attempt("the log", self._open_log)
            self._attempt("facts about the training", self._write_facts)
        if self._audits and self.model.built:
            self._attempt(_AUDIT, self._audit)
        if self._layers:
            self._attempt("layer statistics", self._begin_sampling)
        if self._tensorboard is not None:
            self._attempt("TensorBoard events", functools.partial(self._open_mirror, self._tensorboard))
        if self._mlflow:
            self._attempt("MLflow", self._begin_tracking)

    @_guarded
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Say what the epoch before showed, now that its progress bar is complete, and choose the steps to sample."""
        self._speak()
        if self._sampling is not None:
            steps = self._parameter("steps") or self._last_batch
            begin = functools.partial(self._sampling.begin_epoch, steps, is_first=self._epochs == 0)
            self._attempt("layer statistics", begin)

    @_guarded
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End a training whose weights are not numbers any more."""
        self._last_batch = batch + 1
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss) and self.stopped is None:
            self._attempt("the look for NaN", functools.partial(self._end_if_beyond_repair, batch))

    @_guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the epoch, and judge the training so far."""
        self._epochs += 1
        row = {"epoch": epoch, **self._curves(logs or {})}
        if self._sampling is not None:
            self._attempt("layer statistics", self._sampling.end_epoch)
            for name, measure in self._sampling.parts():
                row.update(self._attempt(name, measure) or {})
            if not self._sampling.has_finite_weights and self.stopped is None:
                self._attempt("the look for NaN", functools.partial(self._end_if_beyond_repair, self._last_batch))
        self._record.add(epoch, row)
        if self._epochs == 1:
            self._attempt("facts about the training", self._note_data)
            if self._audits:
                self._attempt(_AUDIT, self._audit)
        self._attempt("the checks", functools.partial(self._judge, row))
        if self.stopped is not None and "epoch" not in self.stopped:
            self.stopped["epoch"] = epoch
            self._say(f"the training is stopped because of {self.stopped['check']}: {self.stopped['reason']}")
        if self._log is not None:
            self._attempt("the log", functools.partial(self._write, row))
        if self._mirror is not None:
            self._attempt("TensorBoard events", functools.partial(self._mirror.write, epoch, row))
        if self._tracked is not None:
            send = functools.partial(self._tracked.epoch, epoch, row, frozenset(logs or {}), self._config)
            self._attempt("MLflow", send)

    @_guarded
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the whole training, and leave the model as it was."""
        self._is_over = True
        report = self._attempt("the checks", self._conclude)
        self._attempt("facts about the training", self._note_end)
        if self._unwritten and self._log is not None:
            self._attempt("the log", self._write_rest)
        if self._tracked is not None:
            send = (
                self._tracked.abandon if report is None else functools.partial(self._tracked.end, report, self._config)
            )
            self._attempt("MLflow", send)
        self._close()
        self._speak()

    def flush(self, seconds: float = 60.0) -> bool:
        """Wait until MLflow has all of a training that is over, and return whether it has, or never will.

        It is sent beside whatever comes after `fit`, and at the end of the process at the latest.

        Parameters
        ----------
        seconds
            How long to wait.
        """
        return self._tracked is None or self._tracked.flush(seconds)

    def _parameter(self, name: str) -> int | None:
        """Return what `fit` told of the training; a loop of the user's own may have told nothing."""
        return (self.params or {}).get(name)

    def _note_set_up(self) -> None:
        self._config = facts.facts_of(self.model)

    def _note_data(self) -> None:
        """Add what only the first epoch could tell, and write ``run.json``."""
        if not self._config.get("layers"):  # the first step has built the model
            self._config = {**facts.facts_of(self.model), "started": self._config.get("started")}
        if self._sampling is not None:
            sampling = self._sampling
            self._config |= facts.data_facts(
                sampling.batch,
                samples=sampling.samples,
                batch_size=sampling.batch_size,
                steps_per_epoch=self._last_batch,
            )
        self._write_facts()

    def _audit(self) -> None:
        """Look at the model as it was made, and tell what shows without any training.

        The first epoch tells the size of a batch, and builds a model that was not built before: then once more.
        """
        from diagnose.audit.graph import blueprint_of

        size = self._config.get("batch_size")
        if self._blueprint is None:
            self._blueprint = blueprint_of(self.model, batch_size=size)
        elif size == self._blueprint.batch_size:
            return
        else:
            self._blueprint = dataclasses.replace(self._blueprint, batch_size=size)
        planned = Run(self._record.source, "keras", model=self._blueprint, is_planned=True)
        self._audited = analyze(planned, self._selection)
        self._tell_what_is_new(self._audited.findings, planned)

    def _note_end(self) -> None:
        self._config |= {"epochs": self._epochs, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
        if self.stopped is not None:
            self._config["stopped"] = self.stopped
        self._write_facts()

    def _write_facts(self) -> None:
        if self._log is not None:
            facts.write_facts(self._log.facts_path, self._config)

    def _open_log(self) -> None:
        if self._path is None:
            from diagnose.tracking.parcel import unsent_log

            self._log = Log(unsent_log())
        else:
            self._log = Log(self._path, append=self._append)
        self._log.open()
        if self._log.note:
            self._say(self._log.note)
        self._record.source = str(self._log.path)

    def _begin_sampling(self) -> None:
        self._sampling = Sampling(self.model, self._probe)

    def _open_mirror(self, folder: str | os.PathLike[str]) -> None:
        self._mirror = Mirror(folder)

    def _begin_tracking(self) -> None:
        from diagnose.tracking.live import LiveRun

        # Where the log cannot be written, the store may take the training all the same.
        path = self._log.path if self._log is not None else Path(os.path.abspath(self._path or "run.csv"))
        self._tracked = LiveRun(
            None if self._mlflow is True else str(self._mlflow),
            path,
            name=path.stem if self._path is not None else self.model.name,
            planned=self._parameter("epochs"),
            say=self._say,
        )

    def _curves(self, logs: Mapping[str, Any]) -> dict[str, float]:
        """Return Keras' own numbers of the epoch, with the learning rate that Keras logs only where it changes."""
        row = {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
        optimizer = self.model.optimizer
        if "learning_rate" not in row and optimizer is not None:
            row["learning_rate"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        return row

    def _write(self, row: Mapping[str, Any]) -> None:
        self._unwritten.append({**row, STOPPED: self.stopped["check"] if self.stopped else None})
        self._write_rest()

    def _write_rest(self) -> None:
        """Append what is not in the log yet: the last epoch, and those for which there was no room."""
        assert self._log is not None
        while self._unwritten:
            try:
                self._log.write(self._unwritten[0])
            except OSError as error:
                if not self._is_full:
                    self._say(f"{self._log.path}: {error.strerror}; rows are kept and written as soon as they can be")
                self._is_full = True
                return
            self._unwritten.popleft()
        self._is_full = False

    def _judged(self, *, live: bool) -> RunReport:
        run = dataclasses.replace(self._record.run(self._config), model=self._blueprint)
        return analyze(run, self._selection, live=live, audit=self._audited)

    def _judge(self, row: Mapping[str, Any]) -> None:
        """Act on what is new, where the epoch is one to be judged."""
        if self._epochs % (1 + self._epochs // _ALL_JUDGED) and all(math.isfinite(v) for v in row.values()):
            return
        report = self._judged(live=True)
        for finding in self._news.tell(report):
            if not (_is_of_the_model(finding) and self._was_told(finding)):
                self._tell(finding, report.run)
        self.lost = self._news.lost(report)
        if self._on_finding == "stop" and self._severity is None and self.lost is not None:
            self._stop(self.lost.check, self.lost.summary)

    def _conclude(self) -> RunReport:
        """Say what only the whole training shows, and where the report is; return the diagnosis."""
        report = self._judged(live=False)
        self._tell_what_is_new(report.findings, report.run)
        if self._path is not None and self._log is not None and any(r >= self._least_rank for r in self._told.values()):
            self._say(f"the report: diagnose {self._log.path}")
        return report

    def _tell_what_is_new(self, findings: Iterable[Finding], run: Run) -> None:
        """Tell findings that this training was not told of, or not as bad as they are."""
        for finding in findings:
            if not self._was_told(finding):
                self._tell(finding, run)

    def _was_told(self, finding: Finding) -> bool:
        return finding.severity.rank <= self._told.get(finding.check, -1)

    def _tell(self, finding: Finding, run: Run) -> None:
        """Do with a finding what `on_finding` says."""
        told = frozenset(self._told)
        self._told[finding.check] = finding.severity.rank
        if finding.severity.rank < self._least_rank:
            return
        answer = None
        if callable(self._on_finding) and _OWN_FUNCTION not in self._broken:
            answer = self._attempt(_OWN_FUNCTION, functools.partial(self._on_finding, finding))
        if not callable(self._on_finding) or _OWN_FUNCTION in self._broken:
            self._lines.append(line(finding, run, told=told))
        ends_any = self._on_finding == "stop" and self._severity is not None
        if answer == "stop" or (ends_any and not _is_of_the_model(finding)):
            self._stop(finding.check, finding.summary)

    @property
    def _least_rank(self) -> int:
        return (self._severity or Severity.WARNING).rank

    def _stop(self, check: str, reason: str) -> None:
        """End the training after this epoch, and leave the reason where it will be looked for."""
        if self.stopped is not None or self._is_over:
            return
        self.stopped = {"check": check, "reason": reason}
        self.model.stop_training = True
        if getattr(self.model, "history", None) is not None:
            self.model.history.stopped = self.stopped

    def _end_if_beyond_repair(self, batch: int | None) -> None:
        """Stop where the weights are not finite. (A loss alone may be: mixed precision leaves such a step out.)"""
        for variable in self.model.trainable_variables:
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                self._stop("nan-loss", f"{variable.path} is not finite at step {batch}, and no step can change that.")
                return

    def _attempt(self, part: str, function: Callable[[], Any]) -> Any:
        """Do one part of the work; where it fails, say so once and leave that part out from then on."""
        if part in self._broken:
            return None
        try:
            return function()
        except Exception as error:
            self._broken.add(part)
            self._say(f"{part} left out from now on, the training goes on: {_told(error)}")
            return None

    def _step_aside(self, error: Exception) -> None:
        self._is_aside = True
        self._say(f"Monitor steps aside, the training goes on: {_told(error)}")
        with contextlib.suppress(Exception):
            self._close()

    def _say(self, text: str) -> None:
        self._lines.append(f"kerasdx: {text}")

    def _speak(self) -> None:
        """Print what there is to say; only where no progress bar is under way."""
        lines, self._lines = self._lines, []
        for text in lines:
            print(text, flush=True)

    def _close(self) -> None:
        """Give back what this training holds: the log, the model's training step."""
        for name, handle in (
            ("the log", self._log),
            ("layer statistics", self._sampling),
            ("TensorBoard events", self._mirror),
        ):
            if handle is not None:
                self._attempt(name, handle.close)
        self._log = self._sampling = self._mirror = None
        if self._tracked is not None:
            self._attempt("MLflow", self._tracked.abandon)  # nothing, where it has ended


def _is_of_the_model(finding: Finding) -> bool:
    """Whether a finding is there before any training."""
    return discovery.family_of(finding.check) in discovery.BEFORE_TRAINING


def _told(error: Exception) -> str:
    """Return an error in a line; the traceback is printed where somebody asked for it."""
    if os.environ.get("KERASDX_DEBUG"):
        traceback.print_exception(error)
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_ERROR]
