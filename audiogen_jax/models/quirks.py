"""Where the PyTorch releases do what one would not choose, each as a switch of its own."""

import dataclasses
from typing import Self


@dataclasses.dataclass(frozen=True)
class Quirks:
    """What is done as the releases do it; nothing by default.

    Attributes:
      cut_timesteps: timesteps (1000 sigma) lose their fractions.
      extra_sway_level: the sway schedule ends in a step that moves nothing.
      sample_padding: frames past the end of a clip are sampled along instead of zeroed.
      unmasked_final_convolution: masked frames reach the last valid one through the velocity
        network's final convolution.
      batch_wide_floor: one dB floor of the mel spectrogram for a whole batch.
      mask_one_frame_short: the audio encoder's mask ends a frame early.
      keep_first_chunk: masked frames of the first 10 seconds of audio are not zeroed.
      unmasked_acoustics: the acoustic half of the latents ignores the mask.
      normed_empty_transcript: what stands for no transcript is normalised where another clip of the
        batch has one.
      frames_by_number: frames of a video are chosen by their number and not by their time.
      one_second_pairs: a pair of frames is said to last a second, however long it does.
      short_resampling: sources and voices of another rate go through `files.windowed_sinc`.
    """

    cut_timesteps: bool = False
    extra_sway_level: bool = False
    sample_padding: bool = False
    unmasked_final_convolution: bool = False
    batch_wide_floor: bool = False
    mask_one_frame_short: bool = False
    keep_first_chunk: bool = False
    unmasked_acoustics: bool = False
    normed_empty_transcript: bool = False
    frames_by_number: bool = False
    one_second_pairs: bool = False
    short_resampling: bool = False

    @classmethod
    def of(cls, compat: str | None) -> Self:
        """The quirks behind the public spelling: none for None, all for "release".

        Raises:
          ValueError: it is neither.
        """
        if compat not in (None, "release"):
            raise ValueError(f"compat={compat!r} must be None or 'release'")
        return cls(**{field.name: compat is not None for field in dataclasses.fields(cls)})


NO_QUIRKS = Quirks()
