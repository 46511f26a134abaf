"""Questions about sound, pictures and videos, answered."""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.family import LoadedLanguageModel
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import load_language_model
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.compile import Programs, compiler_options
from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.infer.media import AudioSource, VideoSource, read_film, read_recording
from audiogen_jax.infer.noise import clip_keys
from audiogen_jax.infer.options import Sharding
from audiogen_jax.infer.requests import check_seed
from audiogen_jax.models.language_model import Decoding, Film, Prompt, Recording
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.types import Device, Params, compute_dtype, parse_dtype

_Source = TypeVar("_Source")
_SMALLEST_PROMPT = 64
_MAX_BATCH = 8


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
      text: the question.
      media: recordings and films that it is about, in their order.
    """

    text: str
    media: tuple[Recording | Film, ...] = ()


class Understanding:
    """A model that answers questions, with its weights on its devices.

    Attributes:
      model: the model.
    """

    def __init__(self, loaded: LoadedLanguageModel, mesh: Mesh | None = None):
        """Places the parameters.

        Args:
          loaded: a model with its text tokenizer.
          mesh: of its devices, see `inference_mesh`; the first one if None.
        """
        self.model = loaded.model
        self._loaded = loaded
        self._layout = Layout(mesh or inference_mesh())
        self._params = self._layout.put(loaded.params, loaded.model.axes)
        options = compiler_options(self._params)
        self._programs = Programs(self._answer, compiler_options=options)

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        revision: str | None = None,
        dtype: str | DTypeLike = "float32",
        param_dtype: str | DTypeLike = "bfloat16",
        devices: Sequence[Device] | None = None,
        sharding: Sharding = "dp",
    ) -> Self:
        """Loads a model that answers questions.

        Args:
          source: a folder in Hugging Face layout or the name of a hub repository, such as
            "Qwen/Qwen2.5-Omni-3B"; None for a published one that has been downloaded.
          revision: branch, tag or commit of the hub repository.
          dtype: of the computation, "float32" or "bfloat16"; norms, softmax, rotary angles and
            logits are float32 in any.
          param_dtype: of the parameters in memory; published ones are bfloat16.
          devices: what runs the model; the first if None, or all local ones if parameters are cut.
          sharding: "fsdp" and "tensor" cut the parameters, for models that do not fit one device.

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        loaded = load_language_model(
            source,
            revision=revision,
            dtype=compute_dtype(dtype),
            param_dtype=parse_dtype(param_dtype, "param_dtype"),
            put=jax.device_put if sharding == "dp" else on_host,
        )
        return cls(loaded, inference_mesh(devices, sharding))

    def checkpoint_sha256(self) -> str:
        """One hash over the files of the checkpoint."""
        return checkpoint_sha256(self._loaded.folder)

    def understand(
        self,
        question: str,
        audio: AudioSource | Sequence[AudioSource] | None = None,
        video: VideoSource | Sequence[VideoSource] | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        compat: Literal["release"] | None = None,
    ) -> str:
        """Answers a question about what is heard and seen.

        Args:
          question: in any language that the model reads.
          audio: files of sound, or clips, of any length, rate and number of channels.
          video: files of videos, whose own sound is heard with them, or of pictures.
          max_tokens, temperature, top_p: see `Decoding`.
          seed: of answers that are drawn.
          compat: "release" looks at frames of a video by their number and says that two last a
            second, as the PyTorch release does; None goes by their times.

        Raises:
          OSError, ValueError: a bad argument, or a file that cannot be read; it is named.
        """
        quirks = Quirks.of(compat)
        films = [read_film(each, self.model, quirks) for each in _listed(video)]
        sounds = [read_recording(each, self.model) for each in _listed(audio)]
        decoding = Decoding(max_tokens, temperature, top_p)
        return self.answer([Question(question, (*films, *sounds))], decoding, seed)[0]

    def answer(
        self, questions: Sequence[Question], decoding: Decoding | None = None, seed: int = 0
    ) -> list[str]:
        """Answers questions, some at a time; each as it would be alone.

        Args:
          questions: what is asked.
          decoding: how tokens are chosen.
          seed: of answers that are drawn, one key for each position in the list.

        Raises:
          ValueError: a bad argument, or media that the model cannot hear or see.
        """
        decoding = decoding or Decoding()
        keys = clip_keys(check_seed(seed), [str(row) for row in range(len(questions))])
        answers: list[str] = []
        for start in range(0, len(questions), _MAX_BATCH):
            batch = questions[start : start + _MAX_BATCH]
            prompts = [self._prompt(question) for question in batch]
            answers += self._answers(prompts, keys[start : start + _MAX_BATCH], decoding)
        return answers

    def _prompt(self, question: Question) -> Prompt:
        if not isinstance(question.text, str) or not question.text.strip():
            raise ValueError(f"question={question.text!r}: expected text")
        return self.model.prompt(self._loaded.reader, question.text, question.media)

    def _answers(self, prompts: Sequence[Prompt], keys: jax.Array, decoding: Decoding) -> list[str]:
        model = self.model
        length = max(model.prompt_length(prompt) for prompt in prompts)
        if length + decoding.max_tokens > model.max_tokens:
            warnings.warn(
                f"a prompt of {length} tokens, with up to {decoding.max_tokens} of its answer, is "
                f"longer than the {model.max_tokens} that the model was trained on: ask about less",
                stacklevel=3,
            )
        inputs = model.inputs(prompts, bucket(length, _SMALLEST_PROMPT))
        stop_ids = self._loaded.stop_ids
        with self._layout.active():
            ids, mask = jax.device_get(
                self._programs(self._params, inputs, keys, decoding=decoding, stop_ids=stop_ids)
            )
        if cut := int(np.asarray(mask).all(axis=1).sum()):
            warnings.warn(
                f"{cut} of {len(mask)} answers are cut at max_tokens={decoding.max_tokens}",
                stacklevel=3,
            )
        return [
            self._loaded.reader.decode(row[valid].tolist()).strip()
            for row, valid in zip(ids, np.asarray(mask), strict=True)
        ]

    def _answer(
        self,
        params: Params,
        inputs: object,
        keys: jax.Array,
        decoding: Decoding,
        stop_ids: tuple[int, ...],
    ) -> tuple[jax.Array, jax.Array]:
        return self.model.answer(params, inputs, keys, decoding, stop_ids)


def _listed(sources: _Source | Sequence[_Source] | None) -> list[_Source]:
    """One source, several, or none, as a list."""
    if sources is None:
        return []
    return [*sources] if isinstance(sources, list | tuple) else [sources]  # pyright: ignore
