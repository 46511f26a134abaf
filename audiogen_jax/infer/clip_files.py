"""Clips as files that say what made them; see `files.export`, the way out."""

import dataclasses
from pathlib import Path

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import Exported, write_export
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.provenance import Action, MadeWith, Provenance
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import Clip


def made_with(model: Pipeline | Codec) -> MadeWith:
    """The checkpoint of a model; all of its files are read for their hash."""
    folders = model.loaded.folders if isinstance(model, Pipeline) else (model.loaded.folder,)
    return MadeWith.of_folder(folders[0], checkpoint_sha256(*folders))


def clip_provenance(
    clip: Clip,
    checkpoint: MadeWith,
    options: SamplingOptions | None = None,
    action: Action = "generate",
    recording: bool = False,
) -> Provenance:
    """What made a clip.

    Args:
      clip: of a pipeline.
      checkpoint: of the pipeline, see `made_with`.
      options: how it was sampled; not told if None.
      action: that made it.
      recording: does it hold parts of a recording?
    """
    return Provenance(
        action,
        checkpoint,
        clip.prompt,
        clip.seed,
        clip.id,
        {} if options is None else dataclasses.asdict(options),
        clip.timeline,
        recording,
    )


def write_clip(
    path: str | Path,
    clip: Clip,
    model: Pipeline | MadeWith,
    options: SamplingOptions | None = None,
    *,
    action: Action = "generate",
    recording: bool = False,
    delivery: Delivery | None = None,
    marking: Marking | None = None,
    subtype: str = "PCM_16",
    time_reference: int = 0,
) -> Exported:
    """Writes a clip with what made it, in its metadata and in `NAME.json` beside it.

    Args:
      path: ends in .wav, .flac, .mp3, .ogg or .opus.
      clip: of a pipeline.
      model: the pipeline; or, as it is hashed at every call, `made_with` of it.
      options, action, recording: see `clip_provenance`.
      delivery: loudness, true peak, rate, channels, fades or a loop; as the clip is if None.
      marking: which marks it gets; metadata alone if None.
      subtype: of WAV and FLAC, see `write_audio`.
      time_reference: of WAV, see `write_export`.

    Raises:
      ValueError, OSError: see `write_export`.
    """
    checkpoint = made_with(model) if isinstance(model, Pipeline) else model
    made = clip_provenance(clip, checkpoint, options, action, recording)
    return write_export(
        path, clip.audio, clip.sample_rate, made, delivery, marking, subtype, time_reference
    )
