"""How scenes are mixed."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from audiogen_jax.input.scenes.library import ROLES
from audiogen_jax.types import AtLeastOne, FilePath, NotNegative, Positive, Probability, Range

CATEGORIES = ("S00", "0M0", "00A", "SM0", "S0A", "0MA", "SMA")
"""What a scene holds: S speech, M music, A acoustic events (a sound effect, ambience or both), 0 in
the place of what is missing (the categories of MECAT)."""

Decibels: TypeAlias = Annotated[float, Range(-120, 120)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """What scenes are made of, how loud, and what is told of them.

    Attributes:
      weight: share of the clips of a training that are scenes, beside the weights of manifests.
      buckets: share of the scenes in each bucket of the training; a scene lasts longer than the
        bucket before it.
      manifests: (path, weight) of manifests of single recordings; a weight is the share of a
        manifest among those that have clips of a role.
      categories: category -> share of the scenes; see `CATEGORIES`.
      one_word: share of single words where a speaker could say more.
      max_words: of one speaker.
      below: role -> range of its level below that of the first role present, decibels.
      headroom: added to these ranges while speech is present; stages of a training, each as
        long: the voice stands out first, later scenes are as real ones.
      reverb: share of the scenes without ambience that get a room.
      scenes: of a training, over which the stages of `headroom` extend.
      timeline: share of the scenes whose events are told with their times.
      fill: repeat music and ambience that are shorter than a scene, so that they last throughout.
    """

    weight: Positive
    buckets: tuple[NotNegative, ...]
    manifests: tuple[tuple[FilePath, Positive], ...]
    categories: Mapping[str, NotNegative] = dataclasses.field(
        default_factory=lambda: {
            "S00": 0.15,
            "00A": 0.15,
            "S0A": 0.40,
            "SM0": 0.10,
            "SMA": 0.12,
            "0MA": 0.05,
            "0M0": 0.03,
        }
    )
    one_word: Probability = 0.6
    max_words: AtLeastOne = 4
    below: Mapping[str, tuple[Decibels, Decibels]] = dataclasses.field(
        default_factory=lambda: {"sfx": (-3.0, 9.0), "music": (3.0, 15.0), "env": (3.0, 18.0)}
    )
    headroom: tuple[Decibels, ...] = (8.0, 3.0, 0.0)
    reverb: Probability = 0.3
    scenes: AtLeastOne = 200_000
    timeline: Probability = 0.5
    fill: bool = False

    def __post_init__(self):
        if not self.manifests or any(not weight > 0 for _, weight in self.manifests):
            raise ValueError(f"manifests={self.manifests}: expected (path, weight above 0) pairs")
        if not self.weight > 0:
            raise ValueError(f"weight={self.weight}: expected a share above 0")
        if not (all(share >= 0 for share in self.buckets) and sum(self.buckets) > 0):
            raise ValueError(f"buckets={self.buckets}: expected shares, one above 0")
        if unknown := self.categories.keys() - set(CATEGORIES):
            raise ValueError(f"categories {sorted(unknown)}: expected some of {CATEGORIES}")
        shares = self.categories.values()
        if not (all(share >= 0 for share in shares) and sum(shares) > 0):
            raise ValueError(f"categories={dict(self.categories)}: expected shares, one above 0")
        if self.below.keys() != set(ROLES[1:]):
            raise ValueError(f"below={dict(self.below)}: expected ranges of {ROLES[1:]}")
        for role, (low, high) in self.below.items():
            if not low <= high:
                raise ValueError(f"below[{role!r}]={(low, high)}: expected (low, high) in decibels")
        for name in ("one_word", "reverb", "timeline"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a share in [0, 1]")
        for name in ("max_words", "scenes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not self.headroom:
            raise ValueError("headroom=(): expected decibels, one number a stage")

    def headroom_at(self, progress: float) -> float:
        """Decibels that the voice stands out more, at some share of `scenes`."""
        stage = int(progress * len(self.headroom))
        return self.headroom[min(stage, len(self.headroom) - 1)]
