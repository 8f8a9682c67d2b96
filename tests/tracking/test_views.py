"""Views of MLflow's UI: what is stored, and the links to it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote

import pytest

from diagnose.tracking import views
from diagnose.tracking.views import View

NOW = 1_700_000_000_000


class FakeClient:
    """Keeps the tags of an experiment, and counts what is written."""

    def __init__(self, **tags: str) -> None:
        self.tags, self.written = dict(tags), 0

    def get_experiment(self, _id: str) -> SimpleNamespace:
        return SimpleNamespace(tags=dict(self.tags))

    def set_experiment_tag(self, _id: str, key: str, value: str) -> None:
        self.tags[key] = value
        self.written += 1


def search_views(**changes: object) -> tuple[View, View]:
    given = {
        "parent": "abc",
        "name": "search-1",
        "objective": "best_val_accuracy",
        "params": ["model.width", "optimizer.learning_rate"],
        "faults": ["health/overfit"],
    }
    return views.search_views(**{**given, **changes})  # type: ignore[arg-type]


def query(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(url.partition("?")[2], keep_blank_values=True).items()}


# --- What a view shows ------------------------------------------------------------------------------------------------


def test_the_table_of_a_search_tells_how_each_trial_is_and_why_the_sickest_first() -> None:
    table, _ = search_views()

    assert table.columns == (
        "metrics.`health/score`", "tags.`diagnosis.verdict`", "tags.`diagnosis.root_cause`",
        "metrics.`best_val_accuracy`", "metrics.`health/findings`", "metrics.`epochs_run`",
        "params.`model.width`", "params.`optimizer.learning_rate`",
    )  # fmt: skip
    assert (table.order, table.ascending) == ("metrics.`health/score`", True)
    assert table.where == "tags.`mlflow.parentRunId` = 'abc' AND tags.`kerasdx.kind` = 'trial'"


def test_the_comparison_has_a_chart_of_all_trials_and_one_of_those_with_a_score() -> None:
    _, comparison = search_views()

    everyone, scored = comparison.charts
    assert everyone.metrics == ("health/overfit", "health/findings")  # the last one colours: red is sick
    assert scored.metrics == ("health/score", "best_val_accuracy")
    assert everyone.params == scored.params == ("model.width", "optimizer.learning_rate")


def test_a_comparison_is_not_sorted_by_start_which_would_fold_the_trials() -> None:
    assert search_views()[1].order != views.BY_START


def test_without_a_score_there_is_the_chart_of_all_trials_alone() -> None:
    table, comparison = search_views(objective="")

    assert len(comparison.charts) == 1
    assert not any("best" in column for column in table.columns)


def test_a_chart_has_at_most_six_settings_and_the_table_all_of_them() -> None:
    table, comparison = search_views(params=[f"p{n}" for n in range(9)])

    assert [len(chart.params) for chart in comparison.charts] == [6, 6]
    assert sum(column.startswith("params.") for column in table.columns) == 9


def test_what_was_searched_is_what_differs_between_trials() -> None:
    runs = [
        {"rate": "0.1", "width": "32", "optimizer": "adam", "training.seed": "1"},
        {"rate": "0.2", "width": "32", "optimizer": "sgd", "training.seed": "2", "momentum": "0.9"},
    ]

    assert views.varying(runs) == ("optimizer", "rate")
    assert views.varying([]) == ()


def test_faults_are_the_families_that_a_run_has() -> None:
    runs = [{"health/overfit": 0.0, "health/units": 2.0, "health/score": 40.0}, {"health/findings": 1.0, "loss": 1.0}]

    assert views.found_faults(runs) == ("health/units",)


# --- How the UI keeps it ----------------------------------------------------------------------------------------------


def test_a_stored_view_reads_as_its_state() -> None:
    _, comparison = search_views()

    assert views.decoded(views.encoded(comparison, NOW, NOW)) == views.state(comparison)


@pytest.mark.parametrize("value", ["", "{}", "[]", "null", '{"state": 3}', '{"state": "deflate;!!"}'])
def test_a_tag_that_holds_no_view_reads_as_none(value: str) -> None:
    assert views.decoded(value) == {}


def test_the_envelope_has_the_name_for_the_list_of_saved_views() -> None:
    envelope = json.loads(views.encoded(search_views()[0], NOW, NOW + 1))

    assert (envelope["name"], envelope["createdAt"], envelope["updatedAt"]) == ("search-1: by health", NOW, NOW + 1)
    assert envelope["state"].startswith("deflate;")


def test_an_older_ui_finds_the_state_beside_the_envelope() -> None:
    table, _ = search_views()

    assert views.state(table).items() <= json.loads(views.encoded(table, NOW, NOW)).items()


def test_a_view_that_is_too_long_for_both_is_stored_for_newer_uis() -> None:
    table, _ = search_views(params=[f"model.a_rather_long_name_of_a_setting_{n}" for n in range(60)])
    value = views.encoded(table, NOW, NOW)

    assert "searchFilter" not in json.loads(value)
    assert views.decoded(value) == views.state(table)
    assert len(value) <= 5000


def test_every_chart_lies_in_a_section_with_its_title() -> None:
    content = views.state(search_views()[1])

    sections = {section["uuid"]: section["name"] for section in content["compareRunSections"]}
    assert [sections[chart["metricSectionId"]] for chart in content["compareRunCharts"]] == [
        "Settings and health (red: most findings)",
        "Settings, health and score",
    ]


# --- Storing ----------------------------------------------------------------------------------------------------------


def test_storing_a_view_again_writes_nothing_and_changing_it_keeps_its_birth() -> None:
    client, table = FakeClient(), search_views()[0]

    key = views.store_view(client, "1", table, NOW)
    written = client.written
    assert views.store_view(client, "1", table, NOW + 5) == key
    assert client.written == written

    views.store_view(client, "1", search_views(objective="best_f1")[0], NOW + 9)
    envelope = json.loads(client.tags[f"mlflow.sharedViewState.{key}"])
    assert (envelope["createdAt"], envelope["updatedAt"]) == (NOW, NOW + 9)


def test_a_tag_of_that_name_that_is_no_view_is_replaced() -> None:
    client, table = FakeClient(), search_views()[0]
    client.tags[f"mlflow.sharedViewState.{table.key}"] = "what somebody wrote"

    views.store_view(client, "1", table, NOW)

    assert views.decoded(client.tags[f"mlflow.sharedViewState.{table.key}"]) == views.state(table)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "custom_model_development"),
        ("custom_model_development_inferred", "custom_model_development"),
        ("finetuning", "finetuning"),
    ],
)
def test_the_experiment_is_said_to_be_of_trainings_where_nobody_said_otherwise(before: str | None, after: str) -> None:
    client = FakeClient(**({"mlflow.experimentKind": before} if before else {}))

    views.store_view(client, "1", views.health_view(), NOW)

    assert client.tags["mlflow.experimentKind"] == after


# --- Links ------------------------------------------------------------------------------------------------------------


def test_a_link_to_a_view_has_no_order_of_its_own_for_the_ui_would_leave_the_view_alone() -> None:
    url = views.runs_url("http://h:5000/", "7", key="k", charts=True, order="metrics.`x`", where="a = 1")

    assert url.startswith("http://h:5000/#/experiments/7/runs?")
    assert query(url) == {
        "workflowType": "machine_learning", "compareRunsMode": "CHART", "viewStateShareKey": "k",
    }  # fmt: skip


def test_a_link_without_a_view_is_sorted_and_filtered() -> None:
    url = views.runs_url("http://h", "7", order="metrics.`health/score`", ascending=True, where="tags.`a` = 'b c'")

    assert " " not in url
    assert query(url) == {
        "workflowType": "machine_learning",
        "searchFilter": "tags.`a` = 'b c'",
        "orderByKey": "metrics.`health/score`",
        "orderByAsc": "true",
    }


def test_the_link_of_the_button_compare_names_the_runs() -> None:
    asked = query(views.compare_url("http://h", "7", ["a", "b"]))

    assert json.loads(asked["runs"]) == ["a", "b"]
    assert json.loads(asked["experiments"]) == ["7"]


def test_a_link_to_an_artifact_leads_to_it() -> None:
    url = views.run_url("http://h", "7", "r", "a b/report.html")

    assert unquote(url.partition("?")[0]) == "http://h/#/experiments/7/runs/r/artifacts/a b/report.html"
