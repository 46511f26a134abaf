"""Inputs beyond captions to requests: words to say, voices, sounds, edits."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.releases import AUDIO_OMNI, how_to_get
from audiogen_jax.flow.windows import scene_windows
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import Request, check_duration, padded_frames
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.prompting import PromptInputs, PromptReader


@dataclasses.dataclass(frozen=True)
class InputRequestMaker:
    """Makes requests for a generator that reads more than captions.

    Attributes:
      sampler: the generator, with its weights.
      codec: of the latents.
      reader: of the inputs; None if the generator reads captions alone.
    """

    sampler: Sampler
    codec: Codec
    reader: PromptReader | None

    def make(
        self,
        names: Sequence[str],
        inputs: Sequence[PromptInputs],
        seconds: Sequence[float | None],
        options: SamplingOptions,
    ) -> list[Request]:
        """Conditions inputs, one clip after the other, and fixes lengths.

        Args:
          names: ids of the clips.
          inputs: of each.
          seconds: of each; None lets the model decide.
          options: how they will be sampled.

        Raises:
          ValueError: inputs that the model does not take, or a length that cannot be; the clip is
            named.
        """
        rows = zip(names, inputs, seconds, strict=True)
        return [self._request(*row, options) for row in rows]

    def _request(
        self, name: str, inputs: PromptInputs, seconds: float | None, options: SamplingOptions
    ) -> Request:
        generator, rate = self.sampler.generator, self.codec.sample_rate
        if self.reader is None:
            raise ValueError(
                f"clip {name!r}: this model reads captions alone, no {inputs.beyond_text}: "
                f"{how_to_get(AUDIO_OMNI)}"
            )
        kinds = _kinds(inputs, options)
        try:
            if seconds is not None:
                seconds = check_duration(seconds, generator.latent_rate)
            read = [self.reader.read(each, quirks=options.quirks) for each in kinds]
            if seconds is None and read[-1].seconds is not None:
                seconds = check_duration(read[-1].seconds, generator.latent_rate)
        except ValueError as error:
            raise ValueError(f"clip {name!r}: {error}") from error
        lead = round(max(each.lead for each in read) * rate)
        step, longest = self.codec.samples_per_latent, generator.window
        samples = longest * step - lead if seconds is None else round(seconds * rate)
        if lead and lead + samples > longest * step:
            raise ValueError(
                f"clip {name!r}: {samples / rate:g} s after a voice of {lead / rate:g} s: at most "
                f"{longest * step / rate - lead / rate:.2f} s"
            )
        frames = max(generator.min_frames, -(-(lead + samples) // step))
        windows = None
        if frames > longest and read[-1].seconds is not None:  # each window sees its seconds
            if inputs.transcript is not None:
                raise ValueError(
                    f"clip {name!r}: words beside a video of {samples / rate:.2f} s: at most "
                    f"{longest * step / rate:.2f} s, as each window would say them"
                )
            windows, seen = scene_windows([0, frames], longest, padded_frames(frames, longest))
            windows = windows._replace(prompts=np.arange(len(seen), dtype=np.int32)[None])
            for first, _ in seen[1:]:
                start = float(first) / generator.latent_rate
                read += [self.reader.read(each, start, options.quirks) for each in kinds]
        conditions = [self.sampler.condition_alone(each.prompts) for each in read]
        return Request(
            name,
            inputs.title,
            frames,
            samples,
            conditions,
            lost_views=tuple(dict.fromkeys(view for each in read for view in each.lost_views)),
            prompts=len(read) // len(kinds),
            windows=windows,
            lead=lead,
        )


def _kinds(inputs: PromptInputs, options: SamplingOptions) -> list[PromptInputs]:
    """[Away from what,] the inputs themselves, the inputs without each of some views."""
    kinds = [inputs]
    if options.negative is not None:
        if inputs.edit is not None:
            raise ValueError("an edit takes no negative prompt")
        negative = StructuredCaption.parse(options.negative)
        kinds.insert(0, PromptInputs(caption=negative, audio=inputs.audio))
    for view in options.view_guidance:
        if inputs.caption is None:
            raise ValueError(f"view_guidance of {view!r}: there is no caption")
        kinds.append(dataclasses.replace(inputs, caption=inputs.caption.without(view)))
    return kinds
