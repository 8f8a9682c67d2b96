"""MLflow's models: a training's model as a model of its run, and as a version in the registry."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from diagnose.readers.mlflow import environment
from diagnose.tracking.store import TrackingError, connected
from tuners import text_inputs

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.tracking import MlflowClient

Example = NDArray[Any] | Mapping[str, NDArray[Any]]

#: What is kept of an example: rows, and as far as more than one is concerned, numbers.
_MOST_ROWS, _MOST_NUMBERS = 5, 20_000
#: Metrics of the run that are the model's own, and not of an epoch on the way to it.
_OF_THE_MODEL = ("test_", "best_", "health/")
#: Tags of the run that say where it comes from.
_ORIGIN = ("mlflow.user", "mlflow.source.")
_VERSIONS = "mlflow.modelVersions"
_NOT_IN_NAMES = re.compile(r"[/:.%\"']")
#: How the loader of models that take text is called in the stored model: another module of that name is unlikely.
_TEXT_LOADER = "keras_text_inputs"
_MOST_REASON = 200
#: A registry on a server may take a while.
_REGISTRATION_SECONDS = 60


def log_model(
    run_id: str,
    model_file: Path,
    example: Example,
    *,
    uri: str,
    name: str = "model",
    register: str = "",
    alias: str = "",
) -> str:
    """Log a saved model to a run, and register it where a name is given for that.

    Called again for a run that has a model of this name, it logs nothing, and registers what is not registered yet;
    one whose logging was interrupted is completed. MLflow's own state (its URIs, the active run) stays as it is.

    Parameters
    ----------
    run_id
        A run of the store; it may have ended.
    model_file
        A ``.keras`` file that loads in Keras' safe mode, as `recipes.export.save` writes it.
    example
        Raw inputs (batch, ...) as the model takes them, text as NumPy's: of their shapes and types is the signature,
        and the first few rows are the input example.
    uri
        The store.
    name
        Of the model in its run.
    register
        Name in the registry; empty: it is not registered.
    alias
        What this version is called from now on, for example ``champion``; another version of the name loses it.

    Returns
    -------
    str
        The model's URI, for ``mlflow.keras.load_model`` (a `keras.Model`) and ``mlflow.pyfunc.load_model``.

    Raises
    ------
    TrackingError
        There is no such run, the store cannot be written to, a name is not allowed, the file does not load, or the
        example does not fit the model.
    """
    if not name or _NOT_IN_NAMES.search(name):
        raise TrackingError(f"the model is not in MLflow: it takes no name like {name!r}; use letters, digits, - and _")
    if alias and not register:
        raise TrackingError(f"the model is not in MLflow: the alias {alias!r} needs a name in the registry; give one")
    with connected(uri) as (client, uri):
        run = client.get_run(run_id)
        model = _model_of(client, run, name)
        if model is None or model.status != "READY":
            model = _logged(client, run, model, name, model_file, example)
        if register:
            _register(client, run, model, uri, register, alias)
        return str(model.model_uri)


def _model_of(client: MlflowClient, run: Run, name: str) -> LoggedModel | None:
    """Return the run's model of a name; None where there is none, or it was deleted."""
    from mlflow.exceptions import MlflowException

    for output in run.outputs.model_outputs if run.outputs else ():
        with suppress(MlflowException):
            model = client.get_logged_model(output.model_id)
            if model.name == name:
                return model
    return None


def _logged(
    client: MlflowClient, run: Run, begun: LoggedModel | None, name: str, model_file: Path, example: Example
) -> LoggedModel:
    """Return the model, logged; `begun` is one that an interrupted call has left."""
    keras_model = _loaded(model_file)
    example = _few_rows(example)
    predicted = _prediction(keras_model, example, model_file)
    model = begun or _created(client, run, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        try:
            _write(path, keras_model, model, run, example, predicted)
            client.log_model_artifacts(model.model_id, str(path))
        except BaseException:
            with suppress(Exception):
                client.finalize_logged_model(model.model_id, "FAILED")
            raise
    return client.finalize_logged_model(model.model_id, "READY")


def _created(client: MlflowClient, run: Run, name: str) -> LoggedModel:
    """Make a model without content and link it with its run: MLflow's pages of both show the other."""
    from mlflow.entities import LoggedModelOutput, Metric

    model = client.create_logged_model(
        run.info.experiment_id,
        name,
        run.info.run_id,
        tags={key: value for key, value in run.data.tags.items() if key.startswith(_ORIGIN)},
        params=run.data.params,
    )
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    # The very points that the run has, for the model too: the run gets none twice.
    points = [
        client.get_metric_history(run.info.run_id, key)[-1] for key in run.data.metrics if key.startswith(_OF_THE_MODEL)
    ]
    metrics = [Metric(p.key, p.value, p.timestamp, p.step, model_id=model.model_id) for p in points]
    client.log_batch(run.info.run_id, metrics=metrics)
    return model


def _write(
    path: Path, keras_model: keras.Model, model: LoggedModel, run: Run, example: Example, predicted: Any
) -> None:
    """Write an MLflow model into a folder."""
    import mlflow.keras
    from mlflow import pyfunc
    from mlflow.models import Model, infer_signature

    described = Model(
        artifact_path=model.artifact_location,
        run_id=run.info.run_id,
        model_uuid=model.model_id,
        model_id=model.model_id,
    )
    path.mkdir()  # MLflow writes the example before it makes the folder
    mlflow.keras.save_model(
        keras_model,
        str(path),
        mlflow_model=described,
        signature=infer_signature(example, predicted),
        input_example=example,
        pip_requirements=_requirements(keras_model),
    )
    if not _takes_text(example):
        return
    (path / "code").mkdir()
    shutil.copyfile(text_inputs.__file__, path / "code" / f"{_TEXT_LOADER}.py")
    environments = {"conda_env": "conda.yaml", "python_env": "python_env.yaml"}
    pyfunc.add_to_model(described, loader_module=_TEXT_LOADER, code="code", **environments)
    described.save(str(path / "MLmodel"))


def _loaded(model_file: Path) -> keras.Model:
    try:
        return keras.saving.load_model(model_file, safe_mode=True, compile=False)
    except Exception as error:  # whatever a file that is no model makes of Keras
        raise TrackingError(
            f"the model is not in MLflow: {model_file} does not load in Keras' safe mode: {_reason(error)}; "
            "give a .keras file that does"
        ) from None


def _few_rows(example: Example) -> Example:
    """Return the first rows of each input, text as MLflow takes it."""
    if isinstance(example, Mapping):
        return {name: _first(values) for name, values in example.items()}
    return _first(example)


def _first(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    rows = min(_MOST_ROWS, max(1, _MOST_NUMBERS * len(array) // max(1, array.size)))
    return array[:rows].astype(str) if array.dtype.kind in "OU" else array[:rows]


def _prediction(model: keras.Model, example: Example, model_file: Path) -> Any:
    """Return what the model makes of the example, as arrays."""
    try:
        outputs = model(keras.tree.map_structure(keras.ops.convert_to_tensor, example), training=False)
    except Exception as error:  # whatever inputs of another form make of Keras
        raise TrackingError(
            f"the model is not in MLflow: the example does not fit {model_file}: {_reason(error)}; "
            "give raw inputs as the model takes them"
        ) from None
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _takes_text(example: Example) -> bool:
    arrays = example.values() if isinstance(example, Mapping) else (example,)
    return any(array.dtype.kind == "U" for array in arrays)


def _requirements(model: keras.Model) -> list[str]:
    """Return what the model needs, at the versions that are there; MLflow would take long to find out by itself."""
    packages = ["keras", "tensorflow", "numpy"]
    if any(type(layer).__module__.startswith("keras_hub.") for layer in model.layers):
        packages.append("keras_hub")
    return [f"{name.replace('_', '-')}=={sys.modules[name].__version__}" for name in packages if name in sys.modules]


def _register(client: MlflowClient, run: Run, model: LoggedModel, uri: str, register: str, alias: str) -> None:
    """Make a version in the registry of the model, where there is none, and give it the alias."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(register)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise
    versions = client.search_model_versions(f"name = '{register}' AND run_id = '{run.info.run_id}'")
    sources = (model.model_uri, model.artifact_location)
    version = next((found for found in versions if found.source in sources), None)
    if version is None:
        with environment({"MLFLOW_TRACKING_URI": uri}):
            version = client.create_model_version(
                register,
                _source(model, uri),
                run.info.run_id,
                await_creation_for=_REGISTRATION_SECONDS,
                model_id=model.model_id,
            )
    _link(client, model.model_id, register, str(version.version))
    if alias:
        client.set_registered_model_alias(register, alias, version.version)


def _source(model: LoggedModel, uri: str) -> str:
    """Return what a version is made from: the model, to which MLflow's page then links, or its folder.

    A server looks the model up in its own store, and takes no folders. Without one MLflow looks it up in the store that
    it is set to, which may be another one than `uri`.
    """
    import mlflow

    is_found = uri.startswith(("http://", "https://")) or mlflow.get_tracking_uri() == uri
    return str(model.model_uri if is_found else model.artifact_location)


def _link(client: MlflowClient, model_id: str, name: str, version: str) -> None:
    """Note a version with its model, where a server has not done so: MLflow's page of the model shows it."""
    noted = json.loads(client.get_logged_model(model_id).tags.get(_VERSIONS) or "[]")
    if (name, version) not in {(one["name"], str(one["version"])) for one in noted}:
        noted = [*noted, {"name": name, "version": version}]
        client.set_logged_model_tags(model_id, {_VERSIONS: json.dumps(noted)})


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:_MOST_REASON] or type(error).__name__
