"""Edit pairs of real recordings, whose sounds are named, separated, checked and exchanged.

As the published real branch (AudioEdit, arXiv:2604.10708): of each named sound that can be
separated, and that is heard, a recording gives "add" (the rest, to all of it), "remove", "extract"
and, with another sound in its place, "restyle".
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import crop_window
from audiogen_jax.input.edits.instructions import drawn_instruction
from audiogen_jax.input.edits.manifest import EditRecord, pair_row
from audiogen_jax.input.edits.mixer import LOUDEST
from audiogen_jax.input.manifest import SPLITS, AudioRecord
from audiogen_jax.input.webdataset import read_clips
from data.edit_shards import Credits, Made, Shard, flac_files, shards_of, weighted_hashes
from data.edit_stages.checks import ClapMatch, Match, NoMatch, why_no_match, why_quiet
from data.edit_stages.naming import CaptionNamer, LanguageModelNamer, Namer
from data.edit_stages.restyling import (
    EditorRestyler,
    ExchangeRestyler,
    Restyled,
    Restyler,
    heard_span,
)
from data.edit_stages.separation import (
    EditorSeparator,
    FactorizationSeparator,
    SamAudioSeparator,
    Separator,
    names_of,
)

SHORTEST_SECONDS = 1.0
NAMERS = ("captions", "llm")
SEPARATORS = ("factorization", "editor", "sam-audio")
MATCHES = ("none", "clap")
RESTYLERS = ("exchange", "editor", "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealEdits:
    """A job that makes pairs of recordings.

    Stages are named as "KIND" or "KIND:CHECKPOINT".

    Attributes:
      recordings: manifests of what pairs are made of; a split is that of a row.
      examples: manifests of single recordings: of what "factorization" knows sounds by, and of
        what "exchange" puts in their place.
      namer: of `NAMERS`; "llm:URL MODEL" is an endpoint and a model there.
      separator: of `SEPARATORS`.
      match: of `MATCHES`.
      restyler: of `RESTYLERS`.
      seconds: of a recording that are kept at most.
      sample_rate: Hz.
      seed: of all draws.
      shard_size: recordings per shard.
    """

    recordings: tuple[str, ...]
    examples: tuple[str, ...] = ()
    namer: str = "captions"
    separator: str = "factorization"
    match: str = "none"
    restyler: str = "exchange"
    seconds: float = 10.0
    sample_rate: int = 16000
    seed: int = 0
    shard_size: int = 100

    def __post_init__(self):
        stages = {"namer": NAMERS, "separator": SEPARATORS, "match": MATCHES, "restyler": RESTYLERS}
        for stage, kinds in stages.items():
            kind = getattr(self, stage).partition(":")[0]
            if kind not in kinds:
                raise ValueError(f"{stage}={kind!r}: expected one of {kinds}")
        if "editor" in (self.separator, self.restyler):
            raise ValueError("editor: give its checkpoint, as in editor:nano")
        if self.separator == "factorization" and not self.examples:
            raise ValueError(
                "separator='factorization' knows sounds by single recordings of them: name "
                "manifests of such as examples, or take another separator"
            )
        if self.sample_rate < 1 or not SHORTEST_SECONDS <= self.seconds < 3600:
            raise ValueError(
                f"sample_rate={self.sample_rate}, seconds={self.seconds}: expected a rate above 0 "
                f"and at least {SHORTEST_SECONDS:g} s"
            )

    @functools.cached_property
    def clips(self) -> Mapping[str, Sequence[AudioRecord]]:
        """Split -> recordings, in the order of the manifests."""
        records = [record for path in self.recordings for record in read_clips(path)]
        return {split: [r for r in records if r.split == split] for split in SPLITS}

    def shards(self) -> list[Shard]:
        """Those of "train" first."""
        return shards_of({s: len(clips) for s, clips in self.clips.items()}, self.shard_size)

    def described(self) -> dict[str, object]:
        """What decides the bytes; manifests by their contents."""
        values: dict[str, object] = dataclasses.asdict(self)
        for name in ("recordings", "examples"):
            values[name] = weighted_hashes((path, 1.0) for path in getattr(self, name))
        return values | {"match": NoMatch.name if self.match == "none" else self.match}

    def maker(self) -> "RealPairMaker":
        """Makes its pairs with the stages that it names.

        Raises:
          ValueError: the package of a stage is not installed.
        """
        cache = AudioCache(self.sample_rate, 1 << 30)
        singles = [record for path in self.examples for record in read_clips(path)]
        singles = [record for record in singles if record.split == "train"]
        return RealPairMaker(
            self,
            _namer(self.namer),
            _separator(self.separator, singles, cache),
            _match(self.match),
            _restyler(self.restyler, singles, cache),
        )


class RealPairMaker:
    """Makes the pairs of a recording."""

    def __init__(
        self,
        job: RealEdits,
        namer: Namer,
        separator: Separator,
        match: Match,
        restyler: Restyler | None,
    ):
        """Takes the job and its stages."""
        self._job, self._namer, self._separator = job, namer, separator
        self._match, self._restyler = match, restyler
        self._cache = AudioCache(job.sample_rate, max_bytes=0)
        self._credits = Credits((*job.recordings, *job.examples))

    def __call__(self, split: str, number: int) -> Made:
        """The pairs of a recording, and why sounds of it give none."""
        job, clip = self._job, self._job.clips[split][number]
        rng = np.random.default_rng((job.seed, SPLITS.index(split), number))
        try:
            samples = self._cache.load(clip.path, clip.member)
        except (ValueError, OSError) as error:
            return Made({}, [], [f"{clip.audio_id}: {error}"])
        mixed = crop_window(samples, round(job.seconds * job.sample_rate), "loud", rng)
        if len(mixed) < SHORTEST_SECONDS * job.sample_rate:
            return Made({}, [], [f"{clip.audio_id}: shorter than {SHORTEST_SECONDS:g} s"])
        names = self._namer(clip)
        dropped = [] if names else [f"{clip.audio_id}: nothing in it is named"]
        files, pairs = {}, []
        for index, name in enumerate(names):
            made = self._pairs(clip, mixed, name, f"{split}-{number:07}-{index}", split, rng)
            files |= made.files
            pairs += made.pairs
            dropped += [f"{clip.audio_id}: {name!r}: {why}" for why in made.dropped]
        return Made(files, pairs, dropped)

    def _pairs(
        self,
        clip: AudioRecord,
        mixed: Float32[np.ndarray, "n a"],
        name: str,
        pair_id: str,
        split: str,
        rng: np.random.Generator,
    ) -> Made:
        """The pairs of one sound."""
        rate = self._job.sample_rate
        separated = self._separator(clip, mixed, rate, name)
        if separated is None:
            return Made({}, [], ["the separator does not know this sound"])
        if why := why_quiet(separated) or why_no_match(separated, rate, name, self._match):
            return Made({}, [], [why])
        clips = {"mixed": mixed, "residual": separated.residual, "target": separated.target}
        kinds = {"add": ("residual", "mixed"), "remove": ("mixed", "residual")}
        kinds["extract"] = ("mixed", "target")
        restyled = self._restyled(separated.target, name, rng)
        if restyled is not None:
            clips |= {"other": restyled.audio, "transfer": separated.residual + restyled.audio}
            kinds["restyle"] = ("mixed", "transfer")
        # One gain for all, so that they still sum.
        peak = max(float(np.abs(each).max()) for each in clips.values())
        gain = np.float32(min(1.0, LOUDEST / peak))
        named = {key: f"{pair_id}-{key}" for key in clips}
        files = flac_files({named[key]: each * gain for key, each in clips.items()}, rate)
        start, stop = heard_span(separated.target, rate)
        rows = []
        for kind, (before, after) in kinds.items():
            to = restyled.name if restyled is not None and kind == "restyle" else ""
            record = EditRecord(
                pair_id,
                kind,
                drawn_instruction(kind, name, to, rng),
                Path(),
                Path(),
                name,
                to,
                span=(start / rate, stop / rate),
                duration=len(mixed) / rate,
                split=split,
            )
            columns = {"input": before, "output": after, "event": "target"}
            columns |= {"replacement": "other"} if to else {}
            row = pair_row(record, {key: f"{named[each]}.flac" for key, each in columns.items()})
            sources = {"mixed": [clip], "replacement": restyled.clips if to and restyled else ()}
            rows.append(row | self._credits.row(sources))
        kept = self._restyler is None or restyled is not None
        return Made(files, rows, [] if kept else ["there is no other sound to exchange it for"])

    def _restyled(
        self, target: Float32[np.ndarray, "n a"], name: str, rng: np.random.Generator
    ) -> Restyled | None:
        if self._restyler is None:
            return None
        return self._restyler(target, self._job.sample_rate, name, rng)


def _namer(stage: str) -> Namer:
    if stage.partition(":")[0] == "captions":
        return CaptionNamer()
    url, _, model = stage.partition(":")[2].partition(" ")
    if not (url and model):
        raise ValueError(f"namer={stage!r}: expected 'llm:URL MODEL'")
    return LanguageModelNamer(url, model)


def _separator(stage: str, singles: Sequence[AudioRecord], cache: AudioCache) -> Separator:
    kind, _, checkpoint = stage.partition(":")
    if kind == "factorization":
        return FactorizationSeparator(singles, cache)
    if kind == "editor":
        return EditorSeparator(checkpoint)
    return SamAudioSeparator(checkpoint) if checkpoint else SamAudioSeparator()


def _match(stage: str) -> Match:
    kind, _, checkpoint = stage.partition(":")
    return NoMatch() if kind == "none" else ClapMatch(checkpoint or None)


def _restyler(stage: str, singles: Sequence[AudioRecord], cache: AudioCache) -> Restyler | None:
    kind, _, checkpoint = stage.partition(":")
    if kind == "editor":
        return EditorRestyler(checkpoint, sorted(set().union(*map(names_of, singles))))
    return ExchangeRestyler(singles, cache) if kind == "exchange" else None
