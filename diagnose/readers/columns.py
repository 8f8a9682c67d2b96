"""What a column of a log is, told from its name: the vocabulary of every writer, mapped to one.

The vocabulary is data: a canonical quantity, which way it improves, and how writers spell it. Names are
compared without case and separators, so that ``Val Top-5 Acc``, ``val_top5_acc`` and ``valTop5Acc`` are one.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from diagnose.readers.base import Roles
from diagnose.run import LAYER_STATISTICS, Direction, FloatArray, Series, Split

#: Longer names are cut: a name is shown in reports.
MAX_NAME = 200


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HIGHER, _LOWER, _NEITHER = Direction.HIGHER, Direction.LOWER, None

#: Canonical quantity -> (better direction, its spellings without case and separators).
_QUANTITIES: Mapping[str, tuple[Direction | None, str]] = {
    "loss": (_LOWER, "loss losses totalloss lossvalue cost objective trainingloss lossfn"),
    "accuracy": (
        _HIGHER,
        "accuracy acc binaryaccuracy binaryacc categoricalaccuracy categoricalacc sparsecategoricalaccuracy "
        "sparsecategoricalacc multiclassaccuracy multilabelaccuracy accuracytop1 acctop1 top1accuracy "
        "top1acc top1 acc1 accat1 accuracyat1 prec1 precat1 accuracyscore classacc classaccuracy "
        "subsetaccuracy",
    ),
    "balanced_accuracy": (_HIGHER, "balancedaccuracy balancedacc balancedaccuracyscore uar"),
    "pixel_accuracy": (_HIGHER, "pixelaccuracy pixelacc pixacc macc meanpixelaccuracy mpa"),
    "top5_accuracy": (
        _HIGHER,
        "top5accuracy top5acc top5 acc5 accuracytop5 acctop5 accat5 prec5 precat5 accuracyat5 "
        "topkcategoricalaccuracy sparsetopkcategoricalaccuracy top5categoricalaccuracy topkaccuracy topkacc",
    ),
    "f1": (
        _HIGHER,
        "f1 f1m f1score fscore f1macro macrof1 f1micro microf1 f1weighted weightedf1 fmeasure f1metric f1sc "
        "f1scoremacro f1scoremicro f1scoreweighted macrof1score microf1score weightedf1score fbeta "
        "fbetascore multiclassf1score binaryf1score getf1 f1keras multilabelf1score",
    ),
    "auc": (
        _HIGHER,
        "auc auroc rocauc aucroc rocaucscore areaunderroc aucscore multiclassauroc binaryauroc multilabelauroc",
    ),
    "pr_auc": (_HIGHER, "prauc aucpr auprc aupr averageprecisionscore"),
    "map": (_HIGHER, "map meanap meanaverageprecision ap averageprecision"),
    "map50": (_HIGHER, "map50 map050 map05 map5 ap50 mapat50 map50b mapiou05 bboxmap50"),
    "map50_95": (_HIGHER, "map5095 map05095 map050095 map595 map50to95 ap5095 map0595 bboxmap"),
    "precision": (_HIGHER, "precision prec ppv precisionm precisionscore precisionmacro macroprecision"),
    "recall": (
        _HIGHER,
        "recall rec sensitivity tpr recallm recallscore recallmacro macrorecall truepositiverate",
    ),
    "specificity": (_HIGHER, "specificity tnr truenegativerate"),
    "dice": (
        _HIGHER,
        "dice dicecoef dicecoefficient dicescore dsc pseudodice meandice mdice softdice dicecoeff "
        "dicemetric f1dice ema fgdice emafgdice",
    ),
    "iou": (
        _HIGHER,
        "iou miou meaniou meaniouscore iouscore jaccard jaccardindex jaccardcoef jaccardscore ioucoef "
        "ioumetric onehotmeaniou binaryiou intersectionoverunion jacc multiclassjaccardindex",
    ),
    "r2": (
        _HIGHER,
        "r2 r2score rsquared rsquare rsq coefficientofdetermination coeffdetermination coefdet r2metric",
    ),
    "correlation": (
        _HIGHER,
        "correlation corr pearson pearsonr pearsoncorr pearsoncorrelation pcc spearman spearmanr "
        "spearmancorr srcc plcc ccc concordance",
    ),
    "cosine_similarity": (_HIGHER, "cosinesimilarity cosineproximity cossim cosine"),
    "reward": (
        _HIGHER,
        "reward rewards rew return returns episodereward episoderewards eprewmean eprew epreward "
        "eprewardmean meanreward avgreward averagereward episodereturn meanepisodereward episoderewardmean "
        "meanreturn totalreward rewardmean rollouteprewmean cumulativereward evalmeanreward",
    ),
    "mcc": (_HIGHER, "mcc matthews matthewscorrcoef matthewscorrelation matthewscorrelationcoefficient"),
    "kappa": (_HIGHER, "kappa cohenkappa cohenskappa quadratickappa qwk quadraticweightedkappa kappascore"),
    "psnr": (_HIGHER, "psnr peaksignalnoiseratio peaksignaltonoiseratio"),
    "ssim": (_HIGHER, "ssim msssim structuralsimilarity"),
    "bleu": (_HIGHER, "bleu bleuscore sacrebleu bleu4"),
    "rouge": (_HIGHER, "rouge rougel rouge1 rouge2 rougelsum"),
    "ndcg": (_HIGHER, "ndcg ndcgat10 mrr hitrate hits hitsat10 hitsat1"),
    "exact_match": (_HIGHER, "exactmatch em"),
    "score": (_HIGHER, "score inceptionscore"),
    "mae": (_LOWER, "mae meanabsoluteerror meanabserror l1error absoluteerror"),
    "mse": (_LOWER, "mse meansquarederror meansquareerror meansqerror"),
    "rmse": (_LOWER, "rmse rootmeansquarederror rootmeansquareerror rms"),
    "mape": (_LOWER, "mape meanabsolutepercentageerror smape"),
    "msle": (_LOWER, "msle meansquaredlogarithmicerror rmsle"),
    "crossentropy": (
        _LOWER,
        "crossentropy categoricalcrossentropy binarycrossentropy sparsecategoricalcrossentropy xent ce bce "
        "nll logloss negativeloglikelihood",
    ),
    "hinge": (_LOWER, "hinge squaredhinge categoricalhinge"),
    "huber": (_LOWER, "huber logcosh logcosherror poisson"),
    "kl_divergence": (_LOWER, "kldivergence kullbackleiblerdivergence kld kldiv kl"),
    "error": (_LOWER, "error err errorrate errrate top1err top1error misclassification errors"),
    "perplexity": (_LOWER, "perplexity ppl"),
    "wer": (_LOWER, "wer worderrorrate"),
    "cer": (_LOWER, "cer charerrorrate charactererrorrate"),
    "hausdorff": (_LOWER, "hausdorff hausdorffdistance hd95 hd"),
    "eer": (_LOWER, "eer equalerrorrate"),
    "fid": (_LOWER, "fid frechetinceptiondistance kid lpips"),
    "learning_rate": (
        _NEITHER,
        "learningrate lr learnrate currentlr baselr lrate trainlr lradam lrsgd lradamw optimizerlr lrcurrent eta0",
    ),
    "entropy": (_NEITHER, "entropy policyentropy"),
    "grad_norm": (_NEITHER, "gradnorm gradientnorm totalgradnorm gradl2"),
    "grad_norm_global": (_NEITHER, "gradnormglobal globalgradnorm globalgradientnorm"),
    "momentum": (_NEITHER, "momentum momentum0"),
    "weight_decay": (_NEITHER, "weightdecay wd"),
}

_SPELLINGS = {s.lower(): q for q, (_, spellings) in _QUANTITIES.items() for s in spellings.split()}
_LONGEST_SPELLING = max(map(len, _SPELLINGS))
_INDEX_WORDS = frozenset(("", "unnamed", "index"))

#: Columns that are no curve, in the same spelling.
_KINDS = {
    spelling: kind
    for kind, spellings in {
        "epoch": (
            "epoch epochs epochnum epochnumber epochno epochid epochidx epochindex ep nepoch currentepoch "
            "trainingepoch unnamed0 unnamed01 index trainepoch globalepoch"
        ),
        "step": (
            "step steps globalstep globalsteps iter iters iteration iterations itr niter numsteps "
            "totaltimesteps timetotaltimesteps timesteps timestep totalsteps trainerglobalstep trainstep "
            "trainingstep trainiter envsteps frames totalframes timeiterations numtimesteps"
        ),
        "batch": "batch batches batchidx batchindex batchno batchnumber batchnum minibatch batchid",
        "time": (
            "time walltime elapsed elapsedtime timeelapsed timetimeelapsed duration epochtime timestamp "
            "date datetime eta seconds secs sec minutes runtime trainruntime evalruntime timeperepoch "
            "timeperstep trainingtime traintime valtime epochduration timesec times timefps fps lap clock "
            "createdat relativetime trainsamplespersecond evalsamplespersecond evalstepspersecond "
            "trainstepspersecond samplespersecond timestamps relativetimeprocess relativetimewall cputime "
            "inferencetime esttime timeperbatch"
        ),
        "group": (
            "model modelname run runid runname fold kfold cvfold seed experiment experimentname exp trial "
            "trialid phase stage split subset mode dataset architecture arch network net name method config "
            "version repeat replicate variant"
        ),
        "stopped": "stopped",
        "ignore": "id uuid row rownumber comment note notes path checkpoint besti bestepoch isbest bestsofar",
    }.items()
    for spelling in spellings.split()
}

_SPLITS = {
    word: split
    for split, words in {
        Split.TRAIN: "train training trn tr trains",
        Split.VALIDATION: "val valid validation eval evaluation dev holdout vali vl",
        Split.TEST: "test testing tst",
    }.items()
    for word in words.split()
}
#: Single letters tell the split only as the last word: ``loss_t``, ``accuracy_v``.
_SPLIT_LETTERS = {"t": Split.TRAIN, "v": Split.VALIDATION}

#: Words before and after a quantity that do not change what it is.
_NOISE_BEFORE = _word_set(
    "metrics metric epoch running avg average mean total overall global current cur final smoothed batch "
    "model rollout perf step ema"
)
_NOISE_AFTER = _word_set(
    "epoch step avg average mean m score value pct percent macro micro weighted fn function metric smoothed "
    "per batch iter"
)
#: Words of a name that do not tell two columns of one quantity apart.
_STEMLESS = _word_set("epoch avg average running metric metrics batch model")
#: Words that make another quantity of it: the spread of an accuracy is no accuracy.
_STATISTIC_WORDS = _word_set(
    "std stdev stddev var variance sem ci min max best lowest highest diff delta gap ratio weight weights "
    "scale coefficient lambda improvement patience change threshold target count num n"
)

#: Metrics between 0 and 1 that some writers log in percent.
_FRACTIONS = _word_set(
    "accuracy balanced_accuracy pixel_accuracy top5_accuracy f1 auc pr_auc map map50 map50_95 precision "
    "recall specificity dice iou error exact_match"
)

#: In reinforcement learning these compare the policy with data that it collects itself.
_POLICY_LOSSES = _word_set("loss kl_divergence crossentropy mse mae huber error")

#: Settings of a training: they vary between runs, not within one.
CONFIGURATION = _word_set(
    "batch_size batchsize bs dropout dpr dropout_rate drop_prob optimizer opt activation hidden hidden_size "
    "hidden_units hidden_dim units neurons layers num_layers n_layers depth width filters kernel_size "
    "num_epochs n_epochs max_epochs embedding_dim num_heads patience aggr conv_layers bn batch_norm "
    "weight_decay momentum l1 l2 regularization init initializer augmentation num_filters n_hidden gamma "
    "model model_name architecture dataset save_name lr learning_rate seed fold"
)

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.?|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_FOLD = re.compile(r"(?:^|[_\W])(?:cv_?)?fold[_\W]*(\d+)(?=$|[_\W])", re.IGNORECASE)
_YOLO_TASK = re.compile(r"\(([BMP])\)\s*$")
_LEARNING_RATE = re.compile(r"^lr(?:_?(?:pg|group|g)?_?\d+)?$|^lr_|_lr(?:_?\d+)?$|learning_?rate")


@dataclass(frozen=True)
class Column:
    """What one column of a log holds.

    Parameters
    ----------
    kind
        ``series``, ``epoch``, ``step``, ``time``, ``batch``, ``group``, ``layer``, ``stopped`` or ``ignore``.
    quantity, split, output, direction
        Of a series, as in `diagnose.run.Series`.
    statistic, layer
        Of a layer's telemetry: ``grad_norm`` and the layer's name.
    """

    kind: str
    quantity: str = ""
    split: Split = Split.TRAIN
    output: str = ""
    direction: Direction | None = None
    statistic: str = ""
    layer: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether it is a loss or a metric: something that training makes better."""
        return self.kind == "series" and self.direction is not None


@dataclass(frozen=True)
class _Reading:
    """A column's meaning and what of its name told it."""

    column: Column
    stem: str = ""
    split_named: bool = False


def clean_name(name: str) -> str:
    """Return a name from a log with printable characters only, without ANSI escapes, at most `MAX_NAME` long."""
    return printable(_CONTROL.sub("", name)).strip().strip("\"'").strip()[:MAX_NAME]


def printable(text: str) -> str:
    """Return a text with a plain space for any other kind of space, and without what no terminal should be given."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)


def merged_names(names: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return names with those of another list that are new, each behind the one that it follows there.

    Layers are told in the order of the model, so a name that comes late must not go to the end.
    """
    merged = list(names)
    known = set(names)
    at = -1
    for name in more:
        if name in known:
            at = merged.index(name)
        else:
            at += 1
            merged.insert(at, name)
            known.add(name)
    return merged


def classify(name: str) -> Column:
    """Return what a column of this name holds, looked at on its own.

    A name that is not in the vocabulary is a series of that name without a direction: shown, never judged.
    """
    return _read_name(name).column


def classify_all(names: Sequence[str], roles: Roles = MappingProxyType({})) -> list[Column]:
    """Return what each column of a table holds, looked at together.

    Parameters
    ----------
    names
        The header.
    roles
        Column name -> role given by hand, which wins (see `parse_role`).

    Raises
    ------
    ValueError
        Where a role is none.
    """
    readings = [_read_name(name) for name in names]
    given = {clean_name(name): parse_role(role) for name, role in roles.items()}
    fixed = [given.get(clean_name(name)) for name in names]
    readings = _one_axis(readings, names, fixed)
    readings = _drop_step_twins(readings, names)
    readings = _unnamed_split(readings)
    columns = _tell_outputs_apart(readings)
    if any(c.quantity == "reward" for c in columns):
        columns = [as_policy_loss(c) for c in columns]
    return [role or column for role, column in zip(fixed, columns, strict=True)]


def parse_role(text: str) -> Column:
    """Return the column that a role given by hand describes.

    The grammar is ``[val_|test_]QUANTITY[@OUTPUT][:higher|:lower]``, or ``epoch``, ``step``, ``time``,
    ``ignore``.

    Raises
    ------
    ValueError
        With one line that says what is allowed.
    """
    allowed = "[val_|test_]QUANTITY[@OUTPUT][:higher|:lower], epoch, step, time or ignore"
    role = text.strip()
    if role in ("epoch", "step", "time", "ignore"):
        return Column(role)
    match = re.fullmatch(
        r"(?P<split>train_|val_|test_)?(?P<quantity>[A-Za-z]\w*)(?:@(?P<output>[^:@]+))?(?::(?P<way>higher|lower))?",
        role,
    )
    if match is None:
        raise ValueError(f"{clean_name(text)!r} is no role; a role is {allowed}")
    split = {"val_": Split.VALIDATION, "test_": Split.TEST}.get(match["split"] or "", Split.TRAIN)
    known = _SPELLINGS.get(match["quantity"].replace("_", "").lower())
    quantity = known or match["quantity"].lower()
    if match["way"] is None and known is None:
        raise ValueError(
            f"role {clean_name(text)!r} names no known quantity (loss, accuracy, mae, f1 ...); "
            f"one of your own needs its better end: {quantity}:higher or {quantity}:lower"
        )
    direction = Direction(match["way"]) if match["way"] else _QUANTITIES[quantity][0]
    return Column("series", quantity, split, match["output"] or "", direction)


def as_policy_loss(column: Column) -> Column:
    """Return a loss of reinforcement learning as what it is: a number that need not fall."""
    if column.kind != "series" or column.quantity not in _POLICY_LOSSES:
        return column
    quantity = column.quantity
    if quantity == "loss":
        quantity = f"{column.output}_loss" if column.output else "policy_loss"
    return dataclasses.replace(column, quantity=quantity, output="", direction=None)


def percent_scale(quantity: str, values: FloatArray) -> float:
    """Return 100 where a metric between 0 and 1 was logged in percent, else 1."""
    if quantity not in _FRACTIONS or not len(values):
        return 1.0
    largest = float(np.max(values, where=np.isfinite(values), initial=0.0))
    # A little above one is rounding or smoothing, more can only be percent; above 100 it is neither.
    return 100.0 if 1.5 < largest <= 100.0 + 1e-6 else 1.0


def normalize_series(series: Iterable[Series]) -> tuple[Series, ...]:
    """Return the series with their scale, one for all curves of a quantity, so that they compare."""
    series = tuple(series)
    scales: dict[str, float] = {}
    for one in series:
        scales[one.quantity] = max(scales.get(one.quantity, 1.0), percent_scale(one.quantity, one.values))
    return tuple(
        s if scales[s.quantity] == s.scale else dataclasses.replace(s, scale=scales[s.quantity]) for s in series
    )


@functools.lru_cache(maxsize=4096)
def _read_name(raw: str) -> _Reading:
    name = clean_name(raw)
    statistic, slash, layer = name.partition("/")
    if slash and layer and statistic in LAYER_STATISTICS:
        return _Reading(Column("layer", statistic=statistic, layer=layer))
    if not name:
        return _Reading(Column("epoch"))  # the index column that pandas writes
    fold = _FOLD.search(name)
    if fold and name[: fold.start()] + name[fold.end() :]:
        inner = _read_name(name[: fold.start()] + name[fold.end() :])
        if inner.column.kind == "series":
            column = dataclasses.replace(inner.column, output=f"fold {fold[1]}")
            return dataclasses.replace(inner, column=column)
    task = _YOLO_TASK.search(name)
    words = _words(name[: task.start()] if task else name)
    kind = _KINDS.get("".join(words)) or (_KINDS.get("".join(words[:-1])) if words[-1].isdigit() else None)
    if kind:
        return _Reading(Column(kind))
    split, rest = _take_split(words)
    reading = _read_quantity(rest or ["value"], split or Split.TRAIN, split is not None)
    column = reading.column
    if split is None and name.startswith("metrics/"):  # YOLO measures these on validation data
        column = dataclasses.replace(column, split=Split.VALIDATION)
        reading = dataclasses.replace(reading, split_named=True)
    if task and task[1] != "B":
        output = {"M": "mask", "P": "pose"}[task[1]]
        return dataclasses.replace(
            reading, column=dataclasses.replace(column, output=output), stem=f"{reading.stem}_{output}"
        )
    return dataclasses.replace(reading, column=column)


def _words(name: str) -> list[str]:
    return [w for w in _SEPARATORS.split(_HUMP.sub("_", name).lower()) if w] or [name.lower()]


def _take_split(words: list[str]) -> tuple[Split | None, list[str]]:
    """Return the split that a word names and the other words."""
    for at, word in enumerate(words):
        if word in _SPLITS:
            return _SPLITS[word], words[:at] + words[at + 1 :]
    if len(words) > 1 and words[-1] in _SPLIT_LETTERS:
        return _SPLIT_LETTERS[words[-1]], words[:-1]
    return None, words


def _read_quantity(words: list[str], split: Split, split_named: bool) -> _Reading:
    stem = "_".join(w for w in words if w not in _STEMLESS) or "_".join(words)
    quantity, rest = _find_quantity(words)
    if not quantity:
        return _Reading(Column("series", "_".join(words), split), stem, split_named)
    column = Column("series", quantity, split, "_".join(rest), _QUANTITIES[quantity][0])
    return _Reading(column, stem, split_named)


def _find_quantity(words: list[str]) -> tuple[str, list[str]]:
    """Return the quantity, empty where none is known, and the words that are not part of it: the output."""
    whole = "".join(words)
    if whole in _SPELLINGS:
        return _SPELLINGS[whole], []
    if _LEARNING_RATE.search("_".join(words)):
        return "learning_rate", []
    if _STATISTIC_WORDS.intersection(words):
        return "", words
    core = _strip_noise(words)
    if "".join(core) in _SPELLINGS:
        return _SPELLINGS["".join(core)], []
    for at in range(1, len(core)):  # the longest known ending: out1_loss, class_0_iou
        ending = "".join(core[at:])
        if len(ending) <= _LONGEST_SPELLING and ending in _SPELLINGS:
            return _SPELLINGS[ending], core[:at]
    for at in range(len(core) - 1, 0, -1):  # the longest known beginning: loss_classifier, iou_road
        beginning = "".join(core[:at])
        if len(beginning) <= _LONGEST_SPELLING and beginning in _SPELLINGS:
            return _SPELLINGS[beginning], core[at:]
    return "", words


def _strip_noise(words: list[str]) -> list[str]:
    """Return the words without the idle ones at either end, and without Keras' counter in ``auc_2``."""
    start, end = 0, len(words)

    def known() -> bool:
        return "".join(words[start:end]) in _SPELLINGS

    while end - start > 1 and words[start] in _NOISE_BEFORE and not known():
        start += 1
    while end - start > 1 and (words[end - 1] in _NOISE_AFTER or words[end - 1].isdigit()) and not known():
        end -= 1
    return words[start:end]


def _one_axis(readings: list[_Reading], names: Sequence[str], fixed: Sequence[Column | None]) -> list[_Reading]:
    """Keep one epoch column: the one given by hand, else the first that is not the index of pandas."""
    by_hand = any(c is not None and c.kind == "epoch" for c in fixed)
    epochs = [i for i, r in enumerate(readings) if r.column.kind == "epoch" and fixed[i] is None]
    kept = min(epochs, key=lambda i: (_words(clean_name(names[i]))[0] in _INDEX_WORDS, i), default=None)
    return [_Reading(Column("ignore")) if i in epochs and (by_hand or i != kept) else r for i, r in enumerate(readings)]


def _drop_step_twins(readings: list[_Reading], names: Sequence[str]) -> list[_Reading]:
    """Ignore Lightning's ``loss_step`` where ``loss_epoch`` is there too."""
    present = set(names)
    return [
        _Reading(Column("ignore"))
        if name.endswith("_step") and r.column.kind == "series" and name[:-5] + "_epoch" in present
        else r
        for name, r in zip(names, readings, strict=True)
    ]


def _unnamed_split(readings: list[_Reading]) -> list[_Reading]:
    """Take a metric without a split as validation where losses name theirs: ``train_loss,val_loss,f1``."""
    losses = [r for r in readings if r.column.quantity == "loss"]
    splits = {r.column.split for r in losses}
    if not losses or not all(r.split_named for r in losses) or Split.VALIDATION not in splits:
        return readings
    named = {(r.column.quantity, r.column.split) for r in readings if r.split_named}

    def moved(r: _Reading) -> _Reading:
        c = r.column
        if r.split_named or not c.is_judged or (c.quantity, Split.VALIDATION) in named:
            return r
        return dataclasses.replace(r, column=dataclasses.replace(c, split=Split.VALIDATION))

    return [moved(r) for r in readings]


def _tell_outputs_apart(readings: list[_Reading]) -> list[Column]:
    """Give columns of one quantity and split outputs that differ, alike on every split.

    The run's own curve keeps the empty output: the plain name (``loss`` beside ``out1_loss``), or the only
    one. Components of a loss without a total keep their names, for none of them is the loss.
    """
    by_quantity: dict[str, dict[str, list[int]]] = {}
    for i, r in enumerate(readings):
        if r.column.kind == "series" and not r.column.output.startswith("fold "):
            by_quantity.setdefault(r.column.quantity, {}).setdefault(r.stem, []).append(i)
    columns = [r.column for r in readings]
    for quantity, stems in by_quantity.items():
        if _one_each(stems, columns):
            for i in (i for members in stems.values() for i in members):
                columns[i] = dataclasses.replace(columns[i], output="")
            continue
        main = _main_stem(quantity, stems, columns)
        for stem, members in stems.items():
            seen: dict[Split, int] = {}
            for i in members:
                count = seen[columns[i].split] = seen.get(columns[i].split, 0) + 1
                output = "" if stem == main else columns[i].output or stem
                if count > 1:  # the very same name again
                    output = f"{output or stem} {count}"
                columns[i] = dataclasses.replace(columns[i], output=output)
    return columns


def _one_each(stems: Mapping[str, Sequence[int]], columns: Sequence[Column]) -> bool:
    """Whether no split has two columns of the quantity, and all name the same output or none."""
    members = [columns[i] for found in stems.values() for i in found]
    return len({c.split for c in members}) == len(members) and len({c.output for c in members}) == 1


def _main_stem(quantity: str, stems: Mapping[str, Sequence[int]], columns: Sequence[Column]) -> str | None:
    """Return the stem that is the run's own curve of the quantity; None where there are components only."""
    if len(stems) == 1:
        return next(iter(stems))
    plain = [s for s in stems if not columns[stems[s][0]].output]
    for stem in plain:
        if stem == quantity or stem in ("loss", "acc", "total_loss"):
            return stem
    if quantity == "loss" and len(plain) != 1:
        return None
    return plain[0] if plain else None
