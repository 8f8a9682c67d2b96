"""The model card: a README.md in the layout of the Hugging Face Hub, of facts alone.

What a card cannot know, such as what the model is meant for or under which licence it stands, is left to its author.
All names are escaped, and the Python code in it runs beside the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from diagnose import console
from diagnose.renderers.markdown import code_span, escape
from diagnose.renderers.wording import number, printable
from recipes.config import Config
from recipes.data.base import Column
from recipes.task import Facts, Kind
from tuners.score import Evaluation, Score

#: The Hub's names of metrics, where they differ from ours.
_HUB_METRICS = {
    "f1_macro": "f1", "f1_micro": "f1", "precision_macro": "precision", "recall_macro": "recall",
    "exact_match": "accuracy", "r2": "r_squared", "map_50": "mean_average_precision",
    "map_50_95": "mean_average_precision",
}  # fmt: skip
_LABELS = {
    "accuracy": "accuracy", "f1": "F1", "precision": "precision", "recall": "recall", "f1_macro": "F1, mean of classes",
    "precision_macro": "precision, mean of classes", "recall_macro": "recall, mean of classes",
    "f1_micro": "F1 of all labels", "exact_match": "samples with all labels right", "log_loss": "log loss",
    "roc_auc": "area under the ROC curve", "r2": "R²", "mae": "mean absolute error", "rmse": "root mean squared error",
    "map_50": "mean average precision at an overlap of 0.5",
    "map_50_95": "mean average precision at overlaps of 0.5 to 0.95",
}  # fmt: skip
#: Settings that every card names; others where they are not the usual ones.
_ALWAYS = ("optimizer.name", "optimizer.learning_rate", "data.batch_size", "training.epochs", "training.seed")
#: The recipe is named elsewhere, and the place of the data says more of a person's disk than of the model.
_NEVER = ("recipe", "data.source")
_ROWS = 50
_COLUMNS = 50


@dataclass(frozen=True)
class CardFacts:
    """What is told of a model.

    Parameters
    ----------
    name
        Of the model, for people.
    config, facts, evaluation
        What it was trained by and on, and how it did on the test samples.
    verdict, summary
        The diagnosis: ``healthy``, ``warning`` ... and a sentence.
    findings
        What was found, a sentence each.
    columns
        Of the table that the model takes, see `recipes.data.base.Data.columns`; empty where it takes arrays.
    parameters
        Number of weights.
    epochs, best_epoch
        Epochs trained, and the one whose weights the model has, counted from 0; None: there is none.
    seconds, device
        How long the training took, on what.
    versions
        Package -> version.
    model_file
        Beside the card.
    pictures
        File beside the card -> caption.
    files
        File beside the card -> what it is.
    """

    name: str
    config: Config
    facts: Facts
    evaluation: Evaluation
    verdict: str
    summary: str
    parameters: int
    epochs: int
    best_epoch: int | None
    seconds: float
    device: str
    findings: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    model_file: str = "model.keras"
    pictures: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def write(path: Path, card: CardFacts) -> None:
    """Write the model card.

    Parameters
    ----------
    path
        Usually ``README.md`` beside the model.
    card
        What to tell.
    """
    console.write_file(path, render(card))


def render(card: CardFacts) -> str:
    """Return the model card as Markdown with YAML front matter."""
    sections = [
        f"# {escape(card.name)}",
        "\n".join(_introduction(card)),
        *_section("Use", [_fenced("python", usage(card)), *_inputs(card)]),
        *_section("Score", _score(card)),
        *_section("Data", _data(card)),
        *_section("Training", _training(card)),
        *_section("Health", _health(card)),
        *_section("Known limits", _limits(card)),
        *_section("Files", ["\n".join(f"- {code_span(name)}: {escape(what)}" for name, what in card.files.items())]),
    ]
    front = yaml.safe_dump(_front_matter(card), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def usage(card: CardFacts) -> str:
    """Return Python code that loads the model and predicts, to be run in the model's folder."""
    lines = ["import keras", "import numpy as np", ""]
    if ":" in card.config.recipe:
        module = card.config.recipe_name.partition(":")[0].removesuffix(".py")
        lines += [f"# import {module}  # first, where the model has layers that are defined there", ""]
    lines += [f"model = keras.saving.load_model({card.model_file!r})", *_sample(card)]
    return "\n".join([*lines, *_prediction(card)])


def _section(title: str, blocks: Iterable[str]) -> list[str]:
    """Return heading and text; nothing where there is no text."""
    told = [block for block in blocks if block]
    return [f"## {title}", *told] if told else []


def _front_matter(card: CardFacts) -> dict[str, Any]:
    facts, known = card.facts, [score for score in card.evaluation.scores if score.is_known]
    pipeline = _pipeline(facts)
    front: dict[str, Any] = {
        "library_name": "keras",
        "tags": ["keras", "kerasdx", printable(card.config.recipe_name), str(facts.task.kind)],
        "metrics": list(dict.fromkeys(_HUB_METRICS.get(score.metric, score.metric) for score in known)),
    }
    if pipeline:
        front["pipeline_tag"] = pipeline
    if known:
        front["model-index"] = [
            {
                "name": printable(card.name),
                "results": [
                    {
                        "task": {"type": pipeline or str(facts.task.kind)},
                        "dataset": {"name": printable(facts.name), "type": printable(facts.name), "split": "test"},
                        "metrics": [_hub_result(score) for score in known],
                    }
                ],
            }
        ]
    return front


def _hub_result(score: Score) -> dict[str, Any]:
    name = _HUB_METRICS.get(score.metric, score.metric)
    return {"type": name, "name": _label(score.metric), "value": float(f"{score.value:.6g}")}


def _pipeline(facts: Facts) -> str:
    """Return the Hub's name of the task; empty where it has none."""
    if facts.inputs.kind == "vector":
        return "tabular-regression" if facts.task.kind is Kind.REGRESSION else "tabular-classification"
    if facts.task.kind is Kind.DETECTION:
        return "object-detection"
    return "" if facts.task.kind is Kind.REGRESSION else "image-classification"


def _introduction(card: CardFacts) -> Iterator[str]:
    task, inputs = card.facts.task, card.facts.inputs
    what = "images" if inputs.kind == "image" else "rows of a table" if card.columns else "vectors"
    made = {
        Kind.BINARY: "tells two classes apart", Kind.MULTICLASS: f"tells {len(task.names)} classes apart",
        Kind.MULTILABEL: f"finds which of {len(task.names)} labels apply", Kind.REGRESSION: "predicts numbers",
        Kind.DETECTION: f"finds objects of {_plural(len(task.names), 'class', 'classes')}",
    }[task.kind]  # fmt: skip
    yield (
        f"A Keras model that {made}, from {what}: the recipe {code_span(card.config.recipe_name)} of kerasdx, "
        f"{card.parameters:,} parameters, trained on {escape(card.facts.name)}."
    )
    yield ""
    samples = _plural(card.evaluation.samples, "test sample")
    yield f"On {samples} that it has not seen: **{escape(_told(card.evaluation.main))}**."


def _inputs(card: CardFacts) -> Iterator[str]:
    inputs = card.facts.inputs
    if card.columns:
        lines = ["| column | holds |", "| --- | --- |"]
        lines += [f"| {_cell(column.name)} | {_HOLDS[column.kind]} |" for column in card.columns[:_COLUMNS]]
        yield "\n".join(lines)
        if len(card.columns) > _COLUMNS:
            yield f"{len(card.columns) - _COLUMNS:,} more columns follow; their order is that of the training data."
    elif inputs.kind == "image":
        shape = " x ".join(map(str, inputs.shape))
        yield f"Inputs: a batch of images of {shape}, values from {number(inputs.low)} to {number(inputs.high)}."
    else:
        yield f"Inputs: a batch of vectors of {inputs.size:,} numbers."


_HOLDS = {
    "number": "a number; NaN: missing", "truth": "1 for yes, 0 for no; NaN: missing",
    "date": "days since 1970-01-01; NaN: missing", "category": 'a word; "": missing',
}  # fmt: skip


def _sample(card: CardFacts) -> list[str]:
    """Return code that makes one input; its values are placeholders."""
    if not card.columns:
        shape = (1, *card.facts.inputs.shape)
        return [f'inputs = np.zeros({shape}, dtype="float32")  # your samples here, shape (n, ...)']
    numbers = [column for column in card.columns if column.kind != "category"]
    words = [column for column in card.columns if column.kind == "category"]
    lines = ["# Your rows here, columns as below."]
    if not words:
        return [*lines, f'inputs = np.zeros((1, {len(numbers)}), dtype="float32")']
    lines += ["inputs = {"]
    if numbers:
        lines += [f'    "numeric": np.zeros((1, {len(numbers)}), dtype="float32"),']
    lines += [f'    "categorical": keras.ops.convert_to_tensor([[""] * {len(words)}]),', "}"]
    return lines


def _prediction(card: CardFacts) -> list[str]:
    task = card.facts.task
    if task.kind is Kind.DETECTION:
        settings = card.config.detector
        return [
            "outputs = model.predict(inputs)",
            "",
            "# pip install kerasdx",
            "from recipes.config import DetectorConfig",
            "from recipes.detection import grid",
            "",
            f"names = {list(task.names)!r}",
            f"settings = DetectorConfig(grid={settings.grid}, boxes={settings.boxes}, "
            f"score_threshold={settings.score_threshold}, iou_threshold={settings.iou_threshold})",
            "for x, y, width, height, kind, score in grid.decode(outputs, settings)[0]:",
            "    print(names[int(kind)], score, (x, y, width, height))",
        ]
    told = {
        Kind.BINARY: "print(names[int(outputs[0, 0] > 0.5)], outputs[0, 0])  # the probability of the second",
        Kind.MULTICLASS: "print(names[outputs[0].argmax()], outputs[0].max())",
        Kind.MULTILABEL: "print([name for name, p in zip(names, outputs[0]) if p > 0.5])",
        Kind.REGRESSION: "print(dict(zip(names, outputs[0])))",
    }[task.kind]
    return ["outputs = model.predict(inputs)", f"names = {list(task.names)!r}", told]


def _score(card: CardFacts) -> Iterator[str]:
    evaluation = card.evaluation
    lines = ["| score | value | interval |", "| --- | ---: | --- |"]
    for score in evaluation.scores:
        value = number(score.value) if score.is_known else score.method
        interval = f"{number(score.low)} to {number(score.high)} ({100 * score.level:g} %)" if score.is_known else ""
        lines.append(f"| {escape(_label(score.metric))} | {value} | {interval} |")
    yield "\n".join(lines)
    yield from (f"Note: {escape(note)}." for note in evaluation.notes)
    yield _details(evaluation)
    yield from (f"![{escape(caption)}](<{_url(file)}>)" for file, caption in card.pictures.items())


def _details(evaluation: Evaluation) -> str:
    details = evaluation.details
    if len(details) < 2:
        return ""
    metrics = list(details[0].values)
    lines = [f"| | samples | {' | '.join(map(_label, metrics))} |", f"| --- {'| ---: ' * (len(metrics) + 1)}|"]
    for detail in details[:_ROWS]:
        values = " | ".join(number(detail.values[metric]) for metric in metrics)
        lines.append(f"| {_cell(detail.name)} | {detail.samples:,} | {values} |")
    if len(details) > _ROWS:
        lines.append(f"\n{len(details) - _ROWS:,} more are left out.")
    return "\n".join(lines)


def _data(card: CardFacts) -> Iterator[str]:
    facts = card.facts
    splits = ", ".join(f"{count:,} for {_SPLITS.get(name, name)}" for name, count in facts.samples.items())
    yield f"{escape(facts.name)}: {splits}." if splits else escape(facts.name)
    names, counts = facts.task.names, facts.task.counts
    if counts:
        lines = ["| class | training samples |", "| --- | ---: |"]
        lines += [f"| {_cell(name)} | {count:,} |" for name, count in list(zip(names, counts, strict=False))[:_ROWS]]
        yield "\n".join(lines)
        if len(names) > _ROWS:
            yield f"{len(names) - _ROWS:,} more are left out."
    elif facts.task.means:
        lines = ["| target | mean | deviation |", "| --- | ---: | ---: |"]
        rows = zip(names, facts.task.means, facts.task.deviations, strict=False)
        lines += [f"| {_cell(name)} | {number(mean)} | {number(spread)} |" for name, mean, spread in list(rows)[:_ROWS]]
        yield "\n".join(lines)
    yield "\n".join(f"- {escape(note)}" for note in facts.notes)


_SPLITS = {"train": "training", "validation": "validation", "test": "the test"}


def _training(card: CardFacts) -> Iterator[str]:
    best = "" if card.best_epoch is None else f"; the weights are those of epoch {card.best_epoch + 1}"
    yield f"{_plural(card.epochs, 'epoch')} in {_duration(card.seconds)} on {escape(card.device)}{best}."
    lines = ["| setting | value |", "| --- | --- |"]
    lines += [f"| {code_span(path)} | {_cell(_value(value))} |" for path, value in _settings(card.config).items()]
    yield "\n".join(lines)
    yield "The same training again:"
    yield _fenced("bash", "tune train --config config.yaml")
    yield escape(", ".join(f"{name} {version}" for name, version in card.versions.items()))


def _settings(config: Config) -> dict[str, Any]:
    """Return the settings that make this training what it is."""
    usual = Config(recipe=config.recipe).flat()
    return {
        path: value
        for path, value in config.flat().items()
        if path not in _NEVER and (path in _ALWAYS or value != usual.get(path) or path.startswith("transfer."))
    }


def _health(card: CardFacts) -> Iterator[str]:
    yield f"kerasdx' diagnosis of the training: **{escape(card.verdict)}**. {escape(card.summary)}"
    yield "\n".join(f"- {escape(finding)}" for finding in card.findings)


def _limits(card: CardFacts) -> Iterator[str]:
    """Yield what the numbers themselves say against the model."""
    task, evaluation, limits = card.facts.task, card.evaluation, []
    if task.is_imbalanced:
        limits.append(
            f"The largest class has {number(task.imbalance, 3)} times the training samples of the smallest: accuracy "
            "alone misleads."
        )
    if not evaluation.main.is_known:
        limits.append("The model has no score: do not use it.")
    classes = [detail for detail in evaluation.details if "f1" in detail.values and detail.samples]
    if len(classes) > 2 and task.kind is not Kind.REGRESSION:
        worst = min(classes, key=lambda detail: detail.values["f1"])
        limits.append(f"It does worst at {code_span(worst.name)}: F1 {number(worst.values['f1'])}.")
    if absent := [detail.name for detail in evaluation.details if not detail.samples]:
        limits.append(f"The test samples hold none of: {', '.join(map(code_span, absent[:_ROWS]))}.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _told(score: Score) -> str:
    if not score.is_known:
        return f"{_label(score.metric)} {score.method}"
    interval = f"{100 * score.level:g} % interval {number(score.low)} to {number(score.high)}"
    return f"{_label(score.metric)} {number(score.value)} ({interval})"


def _label(metric: str) -> str:
    return _LABELS.get(metric, metric)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    """Return text as code in a table, where a pipe ends the cell even so."""
    return code_span(text.replace("|", "\\|"))


def _fenced(language: str, code: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def _url(file: str) -> str:
    return re.sub(r"[<>\s%]", lambda found: f"%{ord(found[0]):02X}", file)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _plural(count: int, word: str, many: str = "") -> str:
    return f"{count:,} {word if count == 1 else many or word + 's'}"
