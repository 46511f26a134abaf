"""Metrics of a row of a table by name: what each needs, and its number with an interval."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from audiogen_jax.evaluate.benchmarks.group import Cell, Group, UndefinedError
from audiogen_jax.evaluate.benchmarks.hearing import Heard
from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.metrics.caption_leakage import caption_leakage
from audiogen_jax.evaluate.metrics.cosine import clap_scores, speaker_similarities
from audiogen_jax.evaluate.metrics.divergence import PUBLISHED_EPSILON, softmax_divergence
from audiogen_jax.evaluate.metrics.frechet_infinity import frechet_infinity
from audiogen_jax.evaluate.metrics.frechet_interval import frechet_interval
from audiogen_jax.evaluate.metrics.inception import inception_score
from audiogen_jax.evaluate.metrics.kernel_distance import KAD_SCALE, gaussian_kernels
from audiogen_jax.evaluate.metrics.means import mean_of
from audiogen_jax.evaluate.metrics.spoken_text import unspaced
from audiogen_jax.evaluate.metrics.word_errors import error_rate, transcript_errors

IS_SPLITS = 10


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number of a group of clips.

    Attributes:
      short: its name in tables.
      needs: what it is of, and the options that give this.
      backbones: whose numbers a group can have; "" where it needs no network.
      measure: the number by one of these; raises UndefinedError where it has none.
    """

    short: str
    needs: str
    backbones: Callable[[Group], Sequence[str]]
    measure: Callable[[Group, str], Cell]


def metric(name: str) -> Metric:
    """A metric by its name: of `METRICS`, or "score:" and what the score is called."""
    kind, colon, score = name.partition(":")
    return _score(score) if colon and kind == "score" else METRICS[name]


def title(name: str, backbone: str) -> str:
    """The head of a column, such as "FD (cnn14)"; on VGGish a Frechet distance is called FAD."""
    short = metric(name).short
    if backbone == "vggish":
        short = {"FD": "FAD", "FD-inf": "FAD-inf"}.get(short, short)
    return f"{short} ({backbone})" if backbone else short


def _sets(group: Group) -> Sequence[str]:
    return [] if group.references is None else [*group.heard.embeddings]


def _pairs(group: Group) -> Sequence[str]:
    return [] if group.paired is None else [*group.heard.embeddings]


def _classifiers(group: Group) -> Sequence[str]:
    return [*group.heard.logits]


def _paired_classifiers(group: Group) -> Sequence[str]:
    return [] if group.paired is None else [*group.heard.logits]


def _text_embedders(group: Group) -> Sequence[str]:
    return [*group.texts]


def _recognisers(group: Group) -> Sequence[str]:
    given = group.transcripts is not None and group.prompts is not None
    return [group.transcripts.model] if given and group.transcripts else []


def _embeddings(group: Group, backbone: str) -> tuple[Embeddings, Embeddings]:
    """References and generated clips, at least two of each."""
    assert group.references is not None
    reference, generated = (heard.embeddings[backbone] for heard in (group.references, group.heard))
    if min(len(reference), len(generated)) < 2:
        raise UndefinedError(
            f"of {len(reference)} references and {len(generated)} clips: needs two of each"
        )
    return reference, generated


def _frechet(group: Group, backbone: str) -> Cell:
    reference, generated = _embeddings(group, backbone)
    interval = frechet_interval(reference, generated, group.seed, group.draws)
    return Cell(*interval, len(generated))


def _kernel(group: Group, backbone: str) -> Cell:
    reference, generated = _embeddings(group, backbone)
    try:
        kernels = gaussian_kernels(reference, generated)
    except ValueError as error:
        raise UndefinedError(str(error)) from error
    try:
        interval = kernels.interval(group.seed, group.draws)
    except ValueError:  # of two or three clips a resample may hold one alone
        return Cell(KAD_SCALE * kernels.mmd2(), None, None, len(generated))
    value, low, high = (KAD_SCALE * number for number in interval)
    return Cell(value, low, high, len(generated))


def _frechet_infinity(group: Group, backbone: str) -> Cell:
    reference, generated = _embeddings(group, backbone)
    try:
        line = frechet_infinity(reference, generated, group.seed)
    except ValueError as error:
        raise UndefinedError(str(error)) from error
    return Cell(line.distance, None, None, len(generated))


def _kl_softmax(group: Group, backbone: str) -> Cell:
    assert group.paired is not None
    reference, generated = (heard.logits[backbone] for heard in (group.paired, group.heard))
    return _mean(group, softmax_divergence(reference, generated, PUBLISHED_EPSILON))


def _inception(group: Group, backbone: str) -> Cell:
    logits = group.heard.logits[backbone]
    if len(logits) < 2 * IS_SPLITS:
        raise UndefinedError(f"of {len(logits)} clips: {IS_SPLITS} splits need {2 * IS_SPLITS}")
    interval = bootstrap(
        lambda rows: inception_score(logits[rows], IS_SPLITS, group.seed).mean,
        len(logits),
        seed=group.seed,
        draws=group.draws,
        centred=True,
    )
    return Cell(*interval, len(logits))


def _clap(group: Group, backbone: str) -> Cell:
    audio = group.heard.embeddings[backbone]
    _check_not_zero(group.heard, backbone)
    return _mean(group, clap_scores(group.texts[backbone], audio))


def _speaker(group: Group, backbone: str) -> Cell:
    assert group.paired is not None
    for heard in (group.paired, group.heard):
        _check_not_zero(heard, backbone)
    reference, generated = (heard.embeddings[backbone] for heard in (group.paired, group.heard))
    return _mean(group, speaker_similarities(reference, generated))


def _check_not_zero(heard: Heard, backbone: str) -> None:
    rows = np.flatnonzero(~heard.embeddings[backbone].values.any(axis=1))
    if len(rows):
        names = ", ".join(repr(heard.clip_ids[row]) for row in rows[:5])
        raise UndefinedError(f"the embedding of {names} is zero: it has no cosine")


def _wer(group: Group, backbone: str) -> Cell:
    return _errors(group, "word")


def _cer(group: Group, backbone: str) -> Cell:
    return _errors(group, "character")


def _errors(group: Group, unit: str) -> Cell:
    rows = [row for row in range(len(group.heard)) if group.words(row)]
    if not rows:
        raise UndefinedError('no prompt says what is to be spoken: give "asr" or "transcript"')
    if (
        unit == "word"
        and (row := next((r for r in rows if unspaced(group.words(r))), None)) is not None
    ):
        raise UndefinedError(
            f"the words of {group.heard.clip_ids[row]!r} are in a script without spaces between "
            "them: take the rate of characters"
        )
    errors = [
        transcript_errors(group.words(row), group.transcript(row), unit)  # pyright: ignore
        for row in rows
    ]
    if not any(each.units for each in errors):
        raise UndefinedError("what is to be spoken holds no words")
    errors = [each for each in errors if each.units]
    return Cell(*error_rate(errors, group.seed), len(errors))


def _leakage(group: Group, backbone: str) -> Cell:
    rows = range(len(group.heard))
    leaks = [
        caption_leakage(group.caption(row), group.words(row), group.transcript(row)) for row in rows
    ]
    return _mean(group, [np.nan if leak is None else leak.share for leak in leaks])


def _distance(name: str) -> Callable[[Group, str], Cell]:
    def measure(group: Group, backbone: str) -> Cell:
        values = group.distances[name]
        return _mean(group, [np.nan if value is None else value for value in values])

    return measure


def _score(name: str) -> Metric:
    def measure(group: Group, backbone: str) -> Cell:
        scores = group.scores[name]
        return _mean(group, [scores.get(clip, np.nan) for clip in group.heard.clip_ids])

    return Metric(
        _SCORE_TITLES.get(name, name),
        f'the score "{name}" of each clip: --scores',
        lambda group: [""] if name in group.scores else [],
        measure,
    )


def _mean(group: Group, values: Iterable[float]) -> Cell:
    mean = mean_of([*values], group.seed)
    if mean is None:
        raise UndefinedError("of no clip")
    return Cell(*mean)


_SCORE_TITLES = {
    "utmosv2": "UTMOSv2",
    "pafi": "PAFI",
    "lsd": "LSD",
    "audiobox_ce": "AudioBox CE",
    "audiobox_cu": "AudioBox CU",
    "audiobox_pc": "AudioBox PC",
    "audiobox_pq": "AudioBox PQ",
    "anyaudio_judge": "AnyAudio-Judge",
    "speech_f1": "Speech F1",
    "sound_f1": "Sound F1",
}
_SETS = "an embedder (--embedder) and --references"
_HEARD = "what a recogniser heard (--transcripts) and --prompts"
METRICS = {
    "frechet": Metric("FD", _SETS, _sets, _frechet),
    "frechet_infinity": Metric("FD-inf", _SETS, _sets, _frechet_infinity),
    "kernel": Metric("KAD", _SETS, _sets, _kernel),
    "kl_softmax": Metric(
        "KL", "a classifier (--embedder) and the reference of each clip (--references)",
        _paired_classifiers, _kl_softmax,
    ),
    "inception": Metric("IS", "a classifier (--embedder)", _classifiers, _inception),
    "clap": Metric(
        "CLAP", "an embedder of text and audio (--embedder) and --prompts", _text_embedders, _clap
    ),
    "speaker": Metric(
        "SIM", "an embedder of voices (--embedder) and the voice of each clip (--references)",
        _pairs, _speaker,
    ),
    "wer": Metric("WER", _HEARD, _recognisers, _wer),
    "cer": Metric("CER", _HEARD, _recognisers, _cer),
    "leakage": Metric("leakage", _HEARD, _recognisers, _leakage),
    "log_spectral": Metric(
        "LSD dB", "the reference of each clip (--references)",
        lambda group: [""] if "log_spectral" in group.distances else [], _distance("log_spectral"),
    ),
}  # fmt: skip
"""Beside these, "score:NAME" is the mean of a score that others gave."""
BESIDE = {"frechet": ("kernel", "frechet_infinity")}
"""What is measured of the same sets for free: less biased where clips are few."""
