"""Prompts of clips as arrays, for trainings that do not run what is frozen in every step."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import jax
import numpy as np
from jaxtyping import DTypeLike, Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.folder import open_checkpoint
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import PROMPTS, family_of
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.infer.options import Sharding
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.prompt_arrays import PromptArrays
from audiogen_jax.jobs.prompt_inputs import read_inputs
from audiogen_jax.models.prompting import PromptReader, Prompts, ReadsAhead, Sound
from audiogen_jax.types import Params


@dataclasses.dataclass(frozen=True, eq=False)
class PromptEncoder:
    """A generator's frozen parts, on the first device or cut over several; one clip at a time.

    Attributes:
      sha256: of all that decides what is stored.
    """

    sha256: str
    _reader: PromptReader
    _generator: ReadsAhead
    _params: Params
    _layout: Layout
    _encode: Callable[[Params, Prompts], Prompts]

    @classmethod
    def load(cls, source: str | Path, dtype: DTypeLike, sharding: Sharding = "dp") -> Self:
        """Loads what reads prompts; its parameters are bfloat16 in memory, as published ones are.

        Args:
          source: a generator or its encoder, see `open_checkpoint`.
          dtype: of the computation.
          sharding: "fsdp" and "tensor" cut the parameters over the local devices.

        Raises:
          ValueError: there is no such checkpoint or sharding, or it reads no prompts ahead.
        """
        opened = open_checkpoint(source)
        family = family_of(opened, PROMPTS)
        layout = Layout(inference_mesh(None, sharding))
        loaded = family.load(opened, dtype, on_host if layout.cuts else jax.device_put)
        generator, params = loaded.generator, layout.put(loaded.params, loaded.generator.axes)
        options = compiler_options(params)
        encode = jax.jit(generator.encode_prompts, compiler_options=options)
        return cls(family.sha256(opened), loaded.reader, generator, params, layout, encode)

    def read(
        self, clip: AudioRecord, folder: Path, audio: Float32[np.ndarray, "n a"], sample_rate: int
    ) -> Prompts:
        """The prompt of a clip on the host; of several phrasings of a view the first counts.

        Args:
          clip: a row of a manifest.
          folder: that its columns are relative to.
          audio: of the clip.
          sample_rate: Hz.

        Raises:
          OSError, ValueError: a file that cannot be read, or a row that makes no prompt.
        """
        views: Mapping[str, str] = {view: texts[0] for view, texts in clip.views.items()}
        caption = StructuredCaption(**views) if "caption" in views else None  # type: ignore[arg-type]
        columns = dict(clip.inputs)
        if caption is None and "asr" in views:
            columns.setdefault("transcript", views["asr"])
        inputs = read_inputs(columns, caption, folder)
        return self._reader.read_example(inputs, Sound(audio, sample_rate))

    def submit(self, prompts: Prompts) -> Prompts:
        """Starts to encode the prompt of a clip; few shapes, few programs."""
        with self._layout.active():
            return self._encode(self._params, prompts)

    def arrays(self, submitted: Prompts) -> PromptArrays:
        """Waits for the arrays of a clip.

        Raises:
          ValueError: they are not finite.
        """
        (arrays,) = self._generator.clip_arrays(jax.device_get(submitted))
        for name, array in arrays.items():
            if not np.isfinite(array.astype(np.float32)).all():
                raise ValueError(f"what was made of its prompt is not finite: {name}")
        return arrays
