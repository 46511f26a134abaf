"""Prompts and timelines to requests: how long each clip is, and what its windows are told."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.family import Tokenize
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.make_from_inputs import InputRequestMaker
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.prompts import condition_shots
from audiogen_jax.infer.requests import MAX_SECONDS, Request, check_duration, padded_frames
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.storyboard import Scene, Shot, asked_seconds, scenes_of, shots_of
from audiogen_jax.models.prompting import PromptInputs
from audiogen_jax.models.protocols import Condition
from audiogen_jax.timeline import Timeline

Conditioned = tuple[Sequence[Condition], tuple[str, ...]]
"""Conditions of the shots of a clip, and the views that its prompts lost."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """One clip that somebody asks for.

    Attributes:
      id: of the clip.
      caption: where the timeline has none; None if it always has one.
      timeline: of the clip.
      seconds: of it; None lets the timeline or the model decide.
      category: passed on.
    """

    id: str
    caption: StructuredCaption | None
    timeline: Timeline
    seconds: float | None
    category: str | None


@dataclasses.dataclass(frozen=True)
class RequestMaker:
    """Makes requests for a generator.

    Attributes:
      sampler: the generator, with its weights.
      tokenize: texts -> tokens padded to one length.
      lost_views: a text -> those of its views that are cut off.
      codec: of the latents.
      inputs: makes the requests of words, where the generator reads those beside its captions.
      lengths: says how long clips are in the place of this generator, which learned something else
        since; None: it says that itself.
    """

    sampler: Sampler
    tokenize: Tokenize
    lost_views: Callable[[str], tuple[str, ...]]
    codec: Codec
    inputs: InputRequestMaker
    lengths: "RequestMaker | None" = None

    def make(self, clips: Sequence[Asked], options: SamplingOptions) -> list[Request]:
        """Conditions prompts and fixes lengths; conditions wait on the devices.

        Args:
          clips: that are asked for.
          options: how they will be sampled.

        Raises:
          ValueError: a timeline or a predicted length that cannot be; the clip is named.
        """
        spoken = {clip.id: self._spoken(clip, options) for clip in clips if self._speaks(clip)}
        others = iter(self._captioned([clip for clip in clips if clip.id not in spoken], options))
        return [spoken[clip.id] if clip.id in spoken else next(others) for clip in clips]

    def _speaks(self, clip: Asked) -> bool:
        """Are there words that a tagged string does not tell the generator?"""
        return self.inputs.reader is not None and any(s.caption.asr for s in self._scenes(clip))

    def _spoken(self, clip: Asked, options: SamplingOptions) -> Request:
        scenes = self._scenes(clip)
        if len(scenes) > 1:
            raise ValueError(
                f"clip {clip.id!r}: this model says words in clips of one caption alone, not in "
                f"one of {len(scenes)} scenes"
            )
        asked = [PromptInputs(scenes[0].caption)], [_seconds(clip)]
        (request,) = self.inputs.make([clip.id], *asked, options)
        return dataclasses.replace(request, category=clip.category, timeline=clip.timeline)

    def _captioned(self, clips: Sequence[Asked], options: SamplingOptions) -> list[Request]:
        scenes = {clip.id: self._scenes(clip) for clip in clips}
        sizes = {clip.id: self._size(clip) for clip in clips if _seconds(clip) is not None}
        predicted = [clip for clip in clips if clip.id not in sizes]
        whole = {clip.id: [_whole(scenes[clip.id])] for clip in predicted}
        conditioned = self._condition(whole, options)
        if self.lengths is None:
            sizes |= self._predicted(predicted, conditioned, options)
        else:
            told = self.lengths._condition(whole, options)
            sizes |= self.lengths._predicted(predicted, told, options)
        shots, windows = {}, {}
        for clip in clips:
            generator, frames = self.sampler.generator, sizes[clip.id][0]
            with _naming(clip):
                shots[clip.id], windows[clip.id] = shots_of(
                    scenes[clip.id],
                    frames,
                    generator.latent_rate,
                    generator.window,
                    padded_frames(frames, generator.window),
                )
        left = {name: shots[name] for name in shots if shots[name] != whole.get(name)}
        conditioned |= self._condition(left, options)
        requests = []
        for clip in clips:
            conditions, lost_views = conditioned[clip.id]
            request = Request(
                clip.id,
                scenes[clip.id][0].caption.format(),
                *sizes[clip.id],
                conditions,
                clip.category,
                lost_views,
                clip.timeline,
                prompts=len(shots[clip.id]),
                timed=shots[clip.id][0].timeline is not None,
                windows=windows[clip.id],
            )
            requests.append(request)
        return requests

    def _scenes(self, clip: Asked) -> list[Scene]:
        with _naming(clip):
            events = [event for event in clip.timeline if event.view != "caption"]
            if events and not self.sampler.generator.timeline:
                raise ValueError(
                    f"{events[0]} of the timeline: this model was not trained with times of what "
                    "sounds; leave those out, captions with times (view 'caption') it takes"
                )
            return scenes_of(clip.caption, clip.timeline, _seconds(clip) or math.inf)

    def _condition(
        self, clips: Mapping[str, Sequence[Shot]], options: SamplingOptions
    ) -> dict[str, Conditioned]:
        if not clips:
            return {}
        conditioned = condition_shots(
            self.sampler, self.tokenize, self.lost_views, [*clips.values()], options
        )
        return dict(zip(clips, zip(*conditioned, strict=True), strict=True))

    def _size(self, clip: Asked) -> tuple[int, int]:
        """Latent frames to sample, and audio samples to keep of them."""
        with _naming(clip):
            seconds = check_duration(_seconds(clip), self.sampler.generator.latent_rate)
        samples = round(seconds * self.codec.sample_rate)
        frames = -(-samples // self.codec.samples_per_latent)
        return max(frames, self.sampler.generator.min_frames), samples

    def _predicted(
        self,
        clips: Sequence[Asked],
        conditioned: Mapping[str, Conditioned],
        options: SamplingOptions,
    ) -> dict[str, tuple[int, int]]:
        """Sizes by the model, or up to the end of the timeline if that is later."""
        if not clips:
            return {}
        of_prompt = 0 if options.negative is None else 1
        names = [clip.id for clip in clips]
        frames = self.sampler.frames([conditioned[name][0][of_prompt] for name in names])
        check_predicted(frames, names, self.sampler.generator.latent_rate)
        sizes = {}
        for clip, count in zip(clips, frames.tolist(), strict=True):
            size = count, count * self.codec.samples_per_latent
            last = max((event.end for event in clip.timeline), default=0.0)
            if last * self.codec.sample_rate > size[1]:
                size = self._size(dataclasses.replace(clip, seconds=last))
            sizes[clip.id] = size
        return sizes


def _whole(scenes: Sequence[Scene]) -> Shot:
    """Of a clip whose length is not known: it is one scene."""
    (scene,) = scenes
    return Shot(scene.caption, scene.timeline or None)


def _seconds(clip: Asked) -> float | None:
    """Of a clip, if they are asked for."""
    return asked_seconds(clip.timeline) if clip.seconds is None else clip.seconds


@contextlib.contextmanager
def _naming(clip: Asked) -> Iterator[None]:
    """Says of errors which clip they are of."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"clip {clip.id!r}: {error}") from error


def check_predicted(
    frames: Int[np.ndarray, " b"], names: Sequence[str], latent_rate: float
) -> None:
    """Checks latent lengths that a model gives its clips.

    Raises:
      ValueError: one is out of range; the clip is named.
    """
    longest = round(MAX_SECONDS * latent_rate)
    for name, count in zip(names, frames, strict=True):
        if not 1 <= count <= longest:
            raise ValueError(
                f"clip {name!r}: the model predicts {count} latent frames, expected 1 to "
                f"{longest}; give a duration"
            )
