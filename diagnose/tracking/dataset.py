"""Data sets as inputs of a run: what was trained on, told apart by a digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

#: What MLflow takes, in characters; its tag of a data set names what it was used for.
_MOST = {
    "name": 500,
    "digest": 36,
    "source_type": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 1_000_000,
    "context": 500,
}
_CONTEXT = "mlflow.data.context"
#: What Monitor's run.json says of the values of an input, in the batch that it has seen.
_SCALE = ("min", "max", "mean", "std", "not_finite")


@dataclass(frozen=True)
class DatasetRecord:
    """A data set of a run. Texts that are longer than MLflow takes are cut; a schema or profile is left out instead.

    Parameters
    ----------
    name
        For people: ``digits``, ``houses.csv``.
    digest
        The same for the same data, another for other data; at most 36 characters.
    source_type
        ``local``, ``builtin``, ``code``: what `source` names.
    source
        Where it comes from.
    schema, profile
        JSON: shapes and types of the samples; how many there are, and the like.
    context
        What it was used for: ``training``, ``validation``, ``test``.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    context: str = "training"

    def __post_init__(self) -> None:
        for f in fields(self):
            text, most = getattr(self, f.name), _MOST[f.name]
            if len(text) > most:
                is_json = f.name in ("schema", "profile")  # half of it would be none
                object.__setattr__(self, f.name, "" if is_json else text[:most])


def inputs(records: Iterable[DatasetRecord]) -> list[Any]:
    """Return data sets as `mlflow.tracking.MlflowClient.log_inputs` takes them.

    MLflow knows a data set by name and digest, and has each once in a run: of several records of one the first counts,
    its context named with those of the others.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    contexts: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], DatasetRecord] = {}
    for record in records:
        key = (record.name, record.digest)
        first.setdefault(key, record)
        known = contexts.setdefault(key, [])
        if record.context not in known:
            known.append(record.context)
    return [
        DatasetInput(
            Dataset(
                name=record.name,
                digest=record.digest,
                source_type=record.source_type,
                source=record.source,
                schema=record.schema or None,
                profile=record.profile or None,
            ),
            [InputTag(_CONTEXT, ", ".join(contexts[key])[: _MOST["context"]])],
        )
        for key, record in first.items()
    ]


def digest_of(content: Any) -> str:
    """Return a digest of what JSON can hold; the order of a mapping does not matter.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def of_data_facts(config: Mapping[str, Any]) -> tuple[DatasetRecord, ...]:
    """Return what Monitor has seen of the data, as the training set of a run; nothing where it has seen nothing.

    Monitor sees one batch, another one for each seed. So the digest is of the form of the data (samples, classes,
    shapes, types) and of the order of magnitude of its deviation: it tells data apart that is scaled otherwise, and
    not data of the same form and scale.

    Parameters
    ----------
    config
        The content of ``run.json``: ``samples``, ``classes`` and ``inputs`` as of `diagnose.live.facts.data_facts`.
    """
    described = [one for one in config.get("inputs") or () if isinstance(one, Mapping)]
    counts: dict[str, Any] = {name: config[name] for name in ("samples", "classes") if config.get(name)}
    if not described and "samples" not in counts:
        return ()
    form = [{name: one.get(name) for name in ("name", "shape", "dtype")} for one in described]
    magnitudes = [_magnitude(one.get("std")) for one in described]
    scales = {
        str(one.get("name") or "inputs"): {name: one[name] for name in _SCALE if name in one} for one in described
    }
    seen = {f"scale of {name}": scale for name, scale in scales.items() if scale}
    return (
        DatasetRecord(
            name="training data",
            digest=digest_of([counts, form, magnitudes]),
            source_type="code",
            source=json.dumps({"tags": {"mlflow.source.name": "model.fit"}}),
            schema=_schema(form),
            profile=json.dumps({**counts, "inputs": [one["shape"] for one in form], **seen}, ensure_ascii=False),
        ),
    )


def _magnitude(deviation: Any) -> int | None:
    is_known = isinstance(deviation, int | float) and math.isfinite(deviation) and deviation > 0
    return round(math.log10(deviation)) if is_known else None


def _schema(form: Iterable[Mapping[str, Any]]) -> str:
    """Return shapes and types as MLflow describes arrays."""
    tensors = [
        {"type": "tensor", "tensor-spec": {"dtype": one["dtype"], "shape": [-1, *one["shape"]]}, "name": one["name"]}
        for one in form
        if one["dtype"] and isinstance(one["shape"], list)
    ]
    if len(tensors) == 1:
        del tensors[0]["name"]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(tensors), "targets": None}}) if tensors else ""
