"""Data sets of a run: MLflow takes them, has each once, and a digest tells data apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from mlflow.tracking import MlflowClient

from diagnose.tracking import dataset
from diagnose.tracking.dataset import DatasetRecord
from diagnose.tracking.store import connected

RECORD = DatasetRecord("digits", "ab12", "local", json.dumps({"uri": "/data/digits.csv"}), profile='{"samples": 1}')
#: As Monitor's run.json has it.
FACTS = {
    "samples": 1078,
    "classes": 10,
    "batch_size": 32,
    "inputs": [{"name": "image", "shape": [8, 8, 1], "dtype": "float32", "min": 0, "max": 16, "mean": 4.9, "std": 6.0}],
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    with connected(f"sqlite:///{tmp_path_factory.mktemp('store')}/mlruns/mlflow.db") as (client, _):
        client.create_experiment("digits")
    return client


@pytest.fixture
def run_id(client: MlflowClient) -> str:
    return client.create_run(client.get_experiment_by_name("digits").experiment_id).info.run_id


class TestStored:
    def test_as_it_was(self, client: MlflowClient, run_id: str) -> None:
        client.log_inputs(run_id, datasets=dataset.inputs([RECORD]))
        (found,) = client.get_run(run_id).inputs.dataset_inputs
        assert dict(found.dataset) == {
            "name": "digits",
            "digest": "ab12",
            "source_type": "local",
            "source": '{"uri": "/data/digits.csv"}',
            "schema": None,
            "profile": '{"samples": 1}',
        }
        assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]

    def test_logged_twice_it_is_there_once(self, client: MlflowClient, run_id: str) -> None:
        records = [RECORD, DatasetRecord("digits", "cd34", "local", "{}", context="test")]
        for _ in range(2):
            client.log_inputs(run_id, datasets=dataset.inputs(records))
        found = client.get_run(run_id).inputs.dataset_inputs
        uses = {one.dataset.digest: one.tags[0].value for one in found}
        assert (len(found), uses) == (2, {"ab12": "training", "cd34": "test"})

    def test_used_twice_it_is_there_once_with_both_uses(self, client: MlflowClient, run_id: str) -> None:
        again = DatasetRecord(RECORD.name, RECORD.digest, "local", "{}", context="test")
        client.log_inputs(run_id, datasets=dataset.inputs([RECORD, again, RECORD]))
        (found,) = client.get_run(run_id).inputs.dataset_inputs
        assert found.tags[0].value == "training, test"

    def test_at_mlflows_limits(self, client: MlflowClient, run_id: str) -> None:
        huge = DatasetRecord(*["x" * 2_000_000] * 7)
        client.log_inputs(run_id, datasets=dataset.inputs([huge]))
        (found,) = client.get_run(run_id).inputs.dataset_inputs
        assert (len(found.dataset.name), len(found.dataset.digest)) == (500, 36)
        assert (found.dataset.schema, found.dataset.profile) == (None, None)  # half of it would be no JSON


class TestOfMonitor:
    def test_what_it_has_seen(self) -> None:
        (record,) = dataset.of_data_facts(FACTS)
        assert record.context == "training"
        profile = json.loads(record.profile)
        assert (profile["samples"], profile["classes"], profile["inputs"]) == (1078, 10, [[8, 8, 1]])
        assert profile["scale of image"] == {"min": 0, "max": 16, "mean": 4.9, "std": 6.0}
        features = json.loads(json.loads(record.schema)["mlflow_tensorspec"]["features"])
        assert features == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 8, 8, 1]}}]

    def test_mlflow_reads_the_schema(self) -> None:
        from mlflow.data.schema import TensorDatasetSchema

        two = {**FACTS, "inputs": [*FACTS["inputs"], {"name": "age", "shape": [1], "dtype": "int64"}]}  # type: ignore[misc]
        (record,) = dataset.of_data_facts(two)
        schema = TensorDatasetSchema.from_dict(json.loads(record.schema))
        assert [one.name for one in schema.features.inputs] == ["image", "age"]

    def test_another_batch_of_the_same_data_has_the_same_digest(self) -> None:
        assert _digest(min=1, max=15, mean=5.1, std=5.7) == _digest()
        assert _digest(batch_size=64) == _digest()

    @pytest.mark.parametrize("other", [{"samples": 1079}, {"classes": 2}, {"shape": [8, 8, 3]}, {"std": 0.3}])
    def test_other_data_has_another(self, other: dict[str, Any]) -> None:
        assert _digest(**other) != _digest()

    @pytest.mark.parametrize("facts", [{}, {"inputs": []}, {"inputs": None}, {"classes": 3}, {"loss": "mse"}])
    def test_where_nothing_was_seen_there_is_none(self, facts: dict[str, Any]) -> None:
        assert dataset.of_data_facts(facts) == ()

    @pytest.mark.parametrize(
        "described", ["text", {}, {"shape": "8", "std": "nan"}, {"dtype": None, "shape": [1], "std": float("inf")}]
    )
    def test_a_damaged_file_does_no_harm(self, described: Any) -> None:
        (record,) = dataset.of_data_facts({"samples": 3, "inputs": [described]})
        assert len(record.digest) == 16


def test_a_digest_does_not_depend_on_order_or_process() -> None:
    assert dataset.digest_of({"b": 1, "a": [Path("x")]}) == dataset.digest_of({"a": [Path("x")], "b": 1})
    assert dataset.digest_of({"a": 1}) == "165b44bb3d3e0923"


def _digest(**changes: Any) -> str:
    top = {name: value for name, value in changes.items() if name in ("samples", "classes", "batch_size")}
    rest = {name: value for name, value in changes.items() if name not in top}
    (record,) = dataset.of_data_facts({**FACTS, **top, "inputs": [{**FACTS["inputs"][0], **rest}]})  # type: ignore[index]
    return record.digest
