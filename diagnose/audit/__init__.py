"""A model and its data before a training: `audit` makes the `Run` that checks look at; nothing is trained.

Beside `diagnose.live` the only place of `diagnose` that imports Keras. What a model is made of comes from `graph`, what
it is given from `data`, what one batch tells from `dry`; models are loaded by `loading`, and nothing else loads them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from diagnose.run import Run

if TYPE_CHECKING:
    from diagnose.audit.loading import Loaded
    from diagnose.sample import DataSample


def audit(
    model: Any = None,
    data: Any = None,
    *,
    batch_size: int | None = None,
    dry_run: bool = False,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Return what is known before a training.

    Parameters
    ----------
    model
        A Keras model, compiled if it is to be judged with its loss; or what names one: a file (``.keras``, ``.h5``, a
        configuration as JSON), a SavedModel folder, ``my_model.py:build``. None: the data alone.
    data
        What goes into ``fit`` (see `diagnose.audit.data.sample`); or what names it on the command line: a table, a
        folder of images, an ``.npz``, ``my_data.py:load``. None: the model alone.
    batch_size
        That is going to be trained with, where the data does not say.
    dry_run
        Whether to compute one batch, forward and backward, which takes seconds. The model is left as it was.
    settings
        Of data that is named, for example ``{"data.target": "price"}``.

    Returns
    -------
    Run
        Planned, for `diagnose.analyze`.

    Raises
    ------
    ReadError
        The model or the data cannot be read, there is neither, or Keras is not installed.
    """
    from diagnose.audit.quiet import keras_imported
    from diagnose.readers.base import ReadError

    if model is None and data is None:
        raise ReadError("there is nothing to look at", "name a model, or data")
    sample = sampled(data, settings)
    if model is None:
        assert sample is not None
        return Run(sample.source, "data", data=sample, is_planned=True, notes=sample.notes)
    with keras_imported():
        if isinstance(model, str | os.PathLike):
            from diagnose.audit.loading import load

            return of_loaded(load(os.fspath(model)), sample, batch_size=batch_size, dry_run=dry_run)
        return _of_model(model, sample, source=str(model.name), format="keras", batch_size=batch_size, dry_run=dry_run)


def of_loaded(
    loaded: Loaded, data: DataSample | None = None, *, batch_size: int | None = None, dry_run: bool = False
) -> Run:
    """Return what is known of a model that was loaded; the parameters are those of `audit`."""
    run = _of_model(
        loaded.model, data, source=loaded.source, format=loaded.format, batch_size=batch_size, dry_run=dry_run,
        lines=loaded.lines,
    )  # fmt: skip
    return dataclasses.replace(run, notes=(*loaded.notes, *run.notes))


def sampled(data: Any, settings: Mapping[str, Any] = MappingProxyType({})) -> DataSample | None:
    """Return a sample of data, as `audit` takes it; None of None."""
    from diagnose.sample import DataSample

    if data is None or isinstance(data, DataSample):
        return data
    if isinstance(data, str | os.PathLike):
        from diagnose.audit.openers import open_data

        return open_data(os.fspath(data), settings)
    from diagnose.audit.data import sample

    return sample(data)


def _of_model(
    model: Any,
    data: DataSample | None,
    *,
    source: str,
    format: str,
    batch_size: int | None,
    dry_run: bool,
    lines: Mapping[int, int] = MappingProxyType({}),
) -> Run:
    from diagnose.audit.building import built
    from diagnose.audit.graph import blueprint_of
    from diagnose.audit.spreading import with_spread_labels
    from diagnose.blueprint import DryRun

    if batch_size is None and data is not None:
        batch_size = data.batch_size
    told = None
    with built(model, data) as building:
        blueprint = blueprint_of(model, batch_size=batch_size, lines=lines, inputs=building.inputs)
        blueprint = with_spread_labels(blueprint, model, data)
        if building.failed:
            told = DryRun(samples=building.samples, failed=building.failed)
        elif dry_run:
            from diagnose.audit.dry import dry_run as compute

            told = compute(model, data, **({"batch_size": batch_size} if batch_size else {}))
    return Run(
        source, format, model=blueprint, data=data, dry_run=told, is_planned=True,
        notes=(*blueprint.notes, *(data.notes if data is not None else ())),
    )  # fmt: skip
