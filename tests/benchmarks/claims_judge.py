"""Listens to what the arms of `claims` made: the judge, and PocketSphinx for digits."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import DIGITS
from audiogen_jax.evaluate.metrics.bootstrap import bootstrap
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.evaluate.recordings import Recording, read_recordings
from audiogen_jax.evaluate.suites.reconstruction import rebuild
from audiogen_jax.infer.codec import Codec
from audiogen_jax.input.crop_pad import crop_window
from tests.benchmarks.claims_data import SECONDS

RESULT = Path(__file__).parent / "results" / "claims.json"
CLAIMS = {
    "tagged views": ("base", "plain"),
    "semantics in the latents": ("base", "acoustic"),
    "width of the latents, not half of it": ("width_128", "width_64"),
    "width 192, not that of the latents": ("base", "width_128"),
    "width 256, not 192": ("width_256", "base"),
    "views dropped at 0.2, not kept": ("base", "views_kept"),
    "views dropped at 0.5, not 0.2": ("views_half", "base"),
    "1280 channels: shift 4.4, not 1": ("wide_4.4", "wide_1"),
    "1280 channels: shift 4.4, not 2.2": ("wide_4.4", "wide_2.2"),
    "1280 channels: shift 4.4, not 8.8": ("wide_4.4", "wide_8.8"),
}
"""Claim -> the arm that should be better, and the one that it is compared with."""
_ENVIRONMENT = ("versions", "hardware", "numerics")
_DECODED_TOGETHER = 20

Samples: TypeAlias = Float[np.ndarray, " n"]
Hits: TypeAlias = Bool[np.ndarray, "s n"]
"""Is each clip of each seed heard as what was asked for?"""


class Made(NamedTuple):
    """The file of an arm.

    Attributes:
      facts: how it was trained.
      ids, groups, labels: of the held-out clips that were asked for.
      frames: of each.
      latents: set of prompts -> latents of each seed, of all clips one after the other.
    """

    facts: dict[str, Any]
    ids: list[str]
    groups: np.ndarray
    labels: np.ndarray
    frames: Int[np.ndarray, " n"]
    latents: dict[str, list[Float[np.ndarray, "t c"]]]

    @classmethod
    def read(cls, path: Path) -> "Made":
        """Reads what `train` wrote."""
        with np.load(path) as file:
            facts = json.loads(str(file["facts"]))
            latents = {
                which: [file[f"{which}/{seed}"] for seed in range(facts["seeds"])]
                for which in facts["sets"]
            }
            ids = file["ids"].tolist()
            return cls(facts, ids, file["groups"], file["labels"], file["frames"], latents)


class Listeners(NamedTuple):
    """Who listens, and how clips are told apart."""

    judge: Judge
    words: SpokenWords
    sample_rate: int

    def hear(
        self, clips: Sequence[Samples], groups: np.ndarray, labels: np.ndarray
    ) -> dict[str, Bool[np.ndarray, " n"]]:
        """Listener -> is each clip of its group heard as what it should be?"""
        hits = {}
        for group in dict.fromkeys(groups.tolist()):
            rows = np.flatnonzero(groups == group).tolist()
            chosen = [clips[row] for row in rows]
            heard = {"judge": self.judge.answers(group, chosen, self.sample_rate)}
            if group == "digits":
                heard["PocketSphinx"] = self.words.answers(chosen, self.sample_rate)
            for listener, answers in heard.items():
                hits[f"{group}, {listener}"] = np.array(answers) == labels[rows]
        return hits


def decode(
    codec: Codec, latents: Float[np.ndarray, "t c"], frames: Int[np.ndarray, " n"]
) -> list[Samples]:
    """Audio of clips whose latents stand one after the other."""
    parts = np.split(latents.astype(np.float32), np.cumsum(frames)[:-1])
    order, clips = np.argsort(frames, kind="stable"), {}
    for start in range(0, len(order), _DECODED_TOGETHER):  # short ones with short ones
        rows = order[start : start + _DECODED_TOGETHER]
        padded = np.zeros((_DECODED_TOGETHER, frames[rows].max(), latents.shape[1]), np.float32)
        lengths = np.ones(_DECODED_TOGETHER, int)
        for place, row in enumerate(rows):
            padded[place, : frames[row]], lengths[place] = parts[row], frames[row]
        audio = np.asarray(codec.decode_each(padded, lengths))  # pyright: ignore
        for place, row in enumerate(rows):
            clips[row] = audio[place, : frames[row] * codec.samples_per_latent]
    return [clips[row] for row in range(len(frames))]


def accuracy(hits: Hits) -> dict[str, Any]:
    """Of each seed, their mean, and its 95 % interval over clips and seeds."""
    seeds, clips = hits.shape
    found = bootstrap(_mean(hits), clips, seeds, vectorized=True)
    return {
        "mean": found.value,
        "interval": [found.low, found.high],
        "seeds": hits.mean(axis=1).tolist(),
        "clips": clips,
    }


def difference(hits: Hits, reference: Hits) -> dict[str, Any]:
    """Of two arms, asked for the same clips; seeds of each are drawn by themselves."""
    ours, theirs = _mean(hits), _mean(reference)
    found = bootstrap(
        lambda clips, a, b: ours(clips, a) - theirs(clips, b),
        hits.shape[1], len(hits), len(reference), vectorized=True,
    )  # fmt: skip
    return {"mean": found.value, "interval": [found.low, found.high]}


def _mean(hits: Hits):
    values = hits.astype(np.float64)
    return lambda clips, seeds: values[seeds[:, :, None], clips[:, None, :]].mean(axis=(1, 2))


def compare(hits: Mapping[str, Mapping[str, Mapping[str, Hits]]]) -> dict[str, Any]:
    """Differences of all claims whose arms are there.

    Args:
      hits: arm -> set of prompts -> listener -> hits.
    """
    return {
        claim: {
            "arm": arm,
            "reference": reference,
            **{
                which: {
                    listener: difference(found, hits[reference][which][listener])
                    for listener, found in hits[arm][which].items()
                }
                for which in hits[arm]
                if which in hits[reference]
            },
        }
        for claim, (arm, reference) in CLAIMS.items()
        if arm in hits and reference in hits
    }


def real_clips(
    made: Made, recordings: Sequence[Recording], codecs: Mapping[str, Codec], listeners: Listeners
) -> dict[str, Any]:
    """What listeners hear in the held-out clips themselves, and as tokenizers rebuild them."""
    known, rng = {clip.audio_id: clip for clip in recordings}, np.random.default_rng(0)
    length = round(SECONDS * listeners.sample_rate)
    clips = [
        crop_window(known[each].samples[:, None], length, "loud", rng)[:, 0] for each in made.ids
    ]
    sources = {"as they are": clips}
    for name, codec in codecs.items():
        sources[f"rebuilt by {name}"] = [rebuild(codec, clip) for clip in clips]
    return {
        source: {
            listener: accuracy(hits[None])
            for listener, hits in listeners.hear(heard, made.groups, made.labels).items()
        }
        for source, heard in sources.items()
    }


def judge_folder(
    folder: Path,
    tokenizer: str | None,
    commit: str | None,
    *,
    manifest: Path = Path("datasets/manifests/singles.jsonl"),
    cache: Path = Path("runs/judge"),
    output: Path = RESULT,
) -> dict[str, Any]:
    """Listens to all arms of a folder and writes the result.

    Args:
      folder: of npz files of `train`.
      tokenizer: of the arm that needs one.
      commit: that `train` ran from, where it did not know.
      manifest: of the clips that teach the judge.
      cache: keeps the trained judge.
      output: the result.

    Raises:
      ValueError: there is no such file, or no tokenizer for an arm that needs it.
    """
    arms = {path.stem: Made.read(path) for path in sorted(folder.glob("*.npz"))}
    if not arms:
        raise ValueError(f"no npz file of an arm in {folder}")
    if tokenizer is None and any(made.facts["needs_tokenizer"] for made in arms.values()):
        raise ValueError("--tokenizer: expected that of the arm acoustic")
    codecs = {"nano": Codec.load("nano")}
    if tokenizer is not None:
        codecs["mel patches"] = Codec.load(tokenizer)
    rate = codecs["nano"].sample_rate
    recordings = read_recordings(manifest, rate)
    listeners = Listeners(cached_judge(recordings, cache), SpokenWords(DIGITS), rate)
    hits: dict[str, dict[str, dict[str, Hits]]] = {}
    for arm, made in arms.items():
        codec = codecs["mel patches" if made.facts["needs_tokenizer"] else "nano"]
        hits[arm] = {}
        for which, seeds in made.latents.items():
            heard = [
                listeners.hear(decode(codec, each, made.frames), made.groups, made.labels)
                for each in seeds
            ]
            hits[arm][which] = {name: np.stack([of[name] for of in heard]) for name in heard[0]}
            means = {name: round(float(each.mean()), 3) for name, each in hits[arm][which].items()}
            print(arm, which, means, flush=True)
    first = next(iter(arms.values()))
    result = {
        "claims": compare(hits),
        "arms": {
            arm: {
                **{name: value for name, value in made.facts.items() if name not in _ENVIRONMENT},
                "losses": made.facts["losses"][-1],
                "heard": {
                    which: {name: accuracy(each) for name, each in listened.items()}
                    for which, listened in hits[arm].items()
                },
            }
            for arm, made in arms.items()
        },
        "real held-out clips": real_clips(first, recordings, codecs, listeners),
        "trained_on": {
            "commit": commit or first.facts["git_commit"],  # those of the arms stand there
            **{name: first.facts[name] for name in _ENVIRONMENT},
        },
        **environment(),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n")
    return result
