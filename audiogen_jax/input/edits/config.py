"""How edit pairs are mixed."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from audiogen_jax.input.edits.columns import KINDS
from audiogen_jax.input.scenes.config import Decibels, SceneConfig
from audiogen_jax.input.scenes.library import ROLES
from audiogen_jax.types import FilePath, NotNegative, Positive, Probability, Range

Semitones: TypeAlias = Annotated[float, Range(-24, 24)]
Stretch: TypeAlias = Annotated[float, Range(0.25, 4)]
EventCount: TypeAlias = Annotated[int, Range(1, 8)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EditConfig:
    """What pairs are made of: events over a scene, one of which the instruction names.

    The ranges of level, pitch and length are those of AudioEdit (arXiv:2604.10708).

    Attributes:
      weight: share of the clips of a training that are mixed pairs, beside those of manifests.
      buckets: share of the pairs in each bucket of the training; a pair lasts longer than the
        bucket before it.
      manifests: (path, weight) of manifests of single recordings, as in `SceneConfig`.
      kinds: kind -> share of the pairs; see `columns.KINDS`.
      negatives: share of the pairs, but for those that add, whose instruction names a sound that
        is not there: nothing changes, and what is extracted is silence.
      whole_roles: share of the pairs that remove or extract, but for those whose sound is not
        there, that name all sounds of a role ("speech", see `STEMS`) in the place of one.
      roles: role of the named sound -> share; it needs clips.
      backgrounds: category -> share of the scenes that events stand over, whose music and ambience
        last throughout; see `scenes.config.CATEGORIES`.
      events: fewest and most, the named one among them.
      snr: range of an event's level above that of the background, decibels.
      semitones: range in which an event's pitch is shifted.
      stretch: range of the factor by which an event gets longer.
      timeline: share of the pairs whose named sound is told with its time.
    """

    weight: Positive
    buckets: tuple[NotNegative, ...]
    manifests: tuple[tuple[FilePath, Positive], ...]
    kinds: Mapping[str, NotNegative] = dataclasses.field(
        default_factory=lambda: {"add": 0.25, "remove": 0.3, "extract": 0.25, "restyle": 0.2}
    )
    negatives: Probability = 0.1
    whole_roles: Probability = 0.0
    roles: Mapping[str, NotNegative] = dataclasses.field(
        default_factory=lambda: {"sfx": 0.6, "speech": 0.2, "music": 0.1, "env": 0.1}
    )
    backgrounds: Mapping[str, NotNegative] = dataclasses.field(
        default_factory=lambda: {
            "00A": 0.45,
            "0M0": 0.15,
            "0MA": 0.15,
            "S0A": 0.15,
            "S00": 0.05,
            "SMA": 0.05,
        }
    )
    events: tuple[EventCount, EventCount] = (1, 3)
    snr: tuple[Decibels, Decibels] = (0.0, 3.0)
    semitones: tuple[Semitones, Semitones] = (-3.0, 3.0)
    stretch: tuple[Stretch, Stretch] = (0.8, 1.2)
    timeline: Probability = 0.5

    def __post_init__(self):
        self.scene()
        for name, known in (("kinds", KINDS), ("roles", ROLES)):
            shares = getattr(self, name)
            if unknown := shares.keys() - set(known):
                raise ValueError(f"{name} {sorted(unknown)}: expected some of {known}")
            if not (all(share >= 0 for share in shares.values()) and sum(shares.values()) > 0):
                raise ValueError(f"{name}={dict(shares)}: expected shares, one above 0")
        for name in ("negatives", "whole_roles", "timeline"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a share in [0, 1]")
        for name, least in (("events", 1), ("snr", -120), ("semitones", -24), ("stretch", 0.25)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ValueError(f"{name}={(low, high)}: expected (low, high) from {least} on")

    def scene(self) -> SceneConfig:
        """How the background is mixed."""
        return SceneConfig(
            weight=self.weight,
            buckets=self.buckets,
            manifests=self.manifests,
            categories=self.backgrounds,
            headroom=(0.0,),
            fill=True,
        )
