"""Pairs of held-out recordings to judge edits by, and edits that need no model."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.infer.separation import separate
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.mixer import EditMixer
from audiogen_jax.input.edits.pair import EditPair
from audiogen_jax.input.manifest import AudioRecord, Member
from audiogen_jax.input.scenes.library import SceneLibrary

Samples = Float[np.ndarray, " n"]
SECONDS = 5.0
"""Of every pair."""
FORMS = ("remove", "extract", "add", "not there")
"""What is asked for; "not there": to remove a sound that the clip does not hold."""
ROLES = {"sfx": 0.6, "speech": 0.4}
"""Of the named sounds: those that judges know the classes of."""
_NOISE_SHARE = 0.2
"""Frames that count as background: the quietest."""
_FLOOR = 0.05
"""Of a magnitude that is left by spectral subtraction, as a share of what was there."""


@dataclasses.dataclass(frozen=True)
class JudgedPair:
    """A pair, and what is known of the named sound.

    Attributes:
      id: unique name, which fixes the noise of the edit.
      form: of `FORMS`.
      pair: the clips.
      label: class of the named sound.
      word: that it says, if it is a voice of one word.
    """

    id: str
    form: str
    pair: EditPair
    label: str | None
    word: str | None

    @property
    def rest(self) -> Samples:
        """All but the named sound."""
        return self.source if self.pair.kind == "add" else self.source - self.named

    @property
    def named(self) -> Samples:
        """The named sound as it stands in the clip; zeros if it does not."""
        return self.pair.event[:, 0]

    @property
    def source(self) -> Samples:
        return self.pair.source[:, 0]

    @property
    def goal(self) -> Samples:
        """What a perfect edit gives."""
        return self.pair.target[:, 0]


class _InMemory(AudioCache):
    """Recordings that were read before, under their names."""

    def __init__(self, recordings: Sequence[Recording], sample_rate: int):
        super().__init__(sample_rate, 0)
        self._recordings = {Path(each.audio_id): each.samples[:, None] for each in recordings}

    def load(self, path: Path, member: Member | None = None) -> Float32[np.ndarray, "n a"]:
        return self._recordings[path]


def edit_pairs(
    form: str, recordings: Sequence[Recording], count: int, seed: int
) -> list[JudgedPair]:
    """Pairs of held-out clips, mixed as the published ones are (arXiv:2604.10708).

    Args:
      form: of `FORMS`.
      recordings: real clips; those of the split "val" are mixed.
      count: how many.
      seed: draws everything.

    Returns:
      None unless there are held-out clips for every role and background.
    """
    held_out = [clip for clip in recordings if clip.split == "val"]
    clips = {clip.audio_id: clip for clip in held_out}
    kind = "remove" if form == "not there" else form
    config = EditConfig(
        weight=1.0,
        buckets=(1.0,),
        manifests=(("held-out", 1.0),),
        kinds={kind: 1.0},
        negatives=1.0 if form == "not there" else 0.0,
        roles=ROLES,
    )
    if not held_out:
        return []
    rate = held_out[0].sample_rate
    library = SceneLibrary([([_record(clip) for clip in held_out], 1.0)])
    try:
        mixer = EditMixer(config, library, _InMemory(held_out, rate))
    except ValueError:  # no clips of a role or a background
        return []
    rng = np.random.default_rng((seed, FORMS.index(form)))
    pairs = []
    for number in range(count):
        pair = mixer.draw(SECONDS, rng)
        named = [clips[record.audio_id] for record in pair.clips["event"]]
        label = named[0].label if named else None
        pairs.append(
            JudgedPair(
                f"editing/{form.replace(' ', '_')}/{number}",
                form,
                pair,
                label,
                named[0].word if named else None,
            )
        )
    return pairs


def _record(clip: Recording) -> AudioRecord:
    duration = len(clip.samples) / clip.sample_rate
    return AudioRecord(
        clip.audio_id,
        Path(clip.audio_id),
        duration,
        clip.views,
        clip.split,
        0,
        label=clip.label,
        speaker=clip.speaker,
    )


def spectral_subtraction(pair: JudgedPair) -> Samples:
    """What `gated` leaves counts as the named sound, what it takes away as the rest."""
    foreground = gated(pair.source)
    return foreground if pair.pair.kind == "extract" else pair.source - foreground


def gated(source: Samples) -> Samples:
    """The mean spectrum of the quietest frames taken away (Boll 1979); it knows no names."""
    spectra = librosa.stft(np.asarray(source, np.float64), n_fft=512, hop_length=128)
    magnitude = np.abs(spectra)
    order = np.argsort(magnitude.sum(axis=0))
    quiet = order[: max(1, round(_NOISE_SHARE * len(order)))]
    noise = magnitude[:, quiet].mean(axis=1, keepdims=True)
    left = np.maximum(magnitude - noise, _FLOOR * magnitude)
    gain = left / np.maximum(magnitude, 1e-12)
    return librosa.istft(gain * spectra, n_fft=512, hop_length=128, length=len(source))


def shared_out(pair: JudgedPair, copies: Sequence[Samples], sample_rate: int) -> Samples:
    """The source shared out among copies of the named sound and of the rest, by masks.

    True stems as copies are the ceiling of what masks can do, the same through a codec that of
    masks by its latents.
    """
    named, rest = separate(pair.pair.source, sample_rate, copies, sample_rate)
    return (named if pair.pair.kind == "extract" else rest)[:, 0]
