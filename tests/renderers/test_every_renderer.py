"""What holds for any report whatever is in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

import diagnose
from diagnose.analyze import analyze
from diagnose.renderers import github, html, markdown, plots, svg, terminal
from diagnose.renderers import json as json_renderer
from diagnose.report import Report
from tests import blueprints
from tests.renderers import samples, strategies

SCHEMA = json.loads((Path(diagnose.__file__).parent / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

any_report = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def strict(text: str) -> object:
    def refuse(literal: str) -> object:
        raise AssertionError(f"{literal} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@any_report
@given(strategies.reports)
def test_json_is_strict_and_fits_the_schema(report: Report) -> None:
    document = strict(json_renderer.render(report))

    VALIDATOR.validate(document)
    assert document == json_renderer.to_dict(report)


@any_report
@given(strategies.reports)
def test_terminal_text_holds_no_control_character_but_line_breaks(report: Report) -> None:
    text = terminal.render(report, color=False)

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    text.encode("utf-8")


@any_report
@given(strategies.reports)
def test_terminal_text_can_be_all_ascii(report: Report) -> None:
    assert terminal.render(report, color=False, verbose=True, ascii=True).isascii()


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@any_report
@given(strategies.reports)
def test_html_has_no_element_or_handler_from_the_log(report: Report) -> None:
    page = Elements()
    page.feed(html.render(report))

    assert not page.tags & {"img", "script", "iframe", "object", "link"}
    assert not {name for name in page.attributes if name.startswith("on")}


@any_report
@given(strategies.reports)
def test_drawings_are_well_formed_xml(report: Report) -> None:
    for run in report.runs:
        for plot in plots.plots(run, points=100, limit=4):
            ElementTree.fromstring(svg.chart(plot, standalone=True))
        for data in plots.heat_maps(run, columns=3, rows=2):
            ElementTree.fromstring(svg.heat_map(data, standalone=True))


@any_report
@given(strategies.reports)
def test_github_output_is_commands_and_one_line_of_our_own(report: Report) -> None:
    *commands, tally = github.render(report).removesuffix("\n").split("\n")

    assert all(re.match("::(error|warning|notice) [^:]*title=[^:]*::", line) for line in commands)
    assert tally.startswith("kerasdx: ")
    assert len(commands) == sum(len(r.findings) for r in report.runs) + len(report.errors)


@any_report
@given(strategies.reports)
def test_markdown_starts_no_html_but_its_own(report: Report) -> None:
    # Without its code; a backtick behind a backslash begins none.
    text = re.sub(r"(?s)(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|\\.", "", markdown.render(report))

    assert set(re.findall(r"<(\w+)", text)) <= {"details", "summary"}


@pytest.mark.parametrize(
    "render",
    [lambda r: terminal.render(r, color=True), html.render, html.render_fragment, markdown.render, github.render],
)
def test_a_report_without_any_run_can_be_rendered(render) -> None:  # type: ignore[no-untyped-def]
    assert render(Report(runs=()))


def test_json_of_a_real_report_has_the_documented_shape() -> None:
    document = json_renderer.to_dict(samples.several())
    overfit = document["runs"][0]

    assert document["schema"] == "kerasdx/1"
    assert overfit["best"] == {"epoch": 14, "metric": "val_loss", "value": pytest.approx(0.395, abs=0.001)}
    assert overfit["findings"][0]["epoch"] == 14
    assert overfit["findings"][0]["fixes"][0]["changes"] == [
        {"path": "regularization.dropout", "op": "add", "value": 0.2, "high": 0.6}
    ]
    assert overfit["findings"][1]["caused_by"] == ["overfitting"]
    assert document["errors"][0]["source"] == "logs/table.csv"


def test_json_gives_rows_of_layers_by_name() -> None:
    finding = json_renderer.to_dict(samples.single(samples.dying_run()))["runs"][0]["findings"][0]

    assert finding["evidence"][0]["type"] == "layers"
    assert finding["evidence"][0]["rows"][0] == {"layer": "conv2d_4", "value": 1.0}


def test_every_field_that_is_written_is_described_in_the_schema() -> None:
    defs = SCHEMA["$defs"]
    run = json_renderer.to_dict(samples.single(samples.dying_run()))["runs"][0]
    finding = run["findings"][0]

    assert set(run) == set(defs["run"]["properties"]) - {"model", "data", "dry_run"}  # what is there before it
    assert set(finding) == set(defs["finding"]["properties"])
    assert set(finding["fixes"][0]) == set(defs["fix"]["properties"])


def test_what_is_written_of_a_model_and_data_is_described_in_the_schema() -> None:
    defs = SCHEMA["$defs"]
    planned = blueprints.planned(blueprints.classifier(), blueprints.data(), dry_run=blueprints.dry_run())
    document = json_renderer.to_dict(Report((analyze(planned),)))
    run = document["runs"][0]

    VALIDATOR.validate(document)
    assert set(run) == set(defs["run"]["properties"])
    for name in ("model", "data", "dry_run"):
        assert set(run[name]) == set(defs[name]["properties"])
    layer = defs["model"]["properties"]["layers"]["items"]["properties"]
    assert all(set(row) == set(layer) for row in run["model"]["layers"])
    assert run["model"]["layers"][1]["parameters"] == 33 * 64
    assert run["data"]["splits"]["train"]["samples"] == 360


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_layer_table_fits_the_terminal(width: int) -> None:
    deep = blueprints.model(*(blueprints.dense(1234567, "relu", name=f"a_long_name_of_a_layer_{i}") for i in range(40)))
    text = terminal.render(Report((analyze(blueprints.planned(deep), checks=()),)), color=False, width=width)

    assert "42 layers" not in text
    assert "41 layers" in text
    assert "more layer" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_layer_table_is_on_the_page() -> None:
    page = html.render(Report((analyze(blueprints.planned(blueprints.classifier())),)))

    assert '<td class="source">dense_2</td>' in page
    assert "2,112" in page
    assert "<h1>Before the training</h1>" in page
