"""Text to audio: captions in, trimmed waveforms out, few compiled programs whatever the lengths."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import jax.numpy as jnp
import numpy as np
import tokenizers
from jaxtyping import ArrayLike, Bool, Float, Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.config import AudioGenConfig
from audiogen_jax.convert.dasheng import load_audiogen
from audiogen_jax.convert.safetensors_io import read_config
from audiogen_jax.convert.t5 import load_t5
from audiogen_jax.infer.audio_io import check_audible
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.infer.checkpoints import find_checkpoint, find_part
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.infer.sampling import Sampler, check_options
from audiogen_jax.infer.tokenizer import Tokenizer
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.types import FrameMask, Latents

MAX_BATCH = 8
"""Clips sampled together; longer lists run in batches of this size."""
_SMALLEST_TEXT = 16
_SMALLEST_LATENTS = 32

Prompt = str | StructuredCaption


@dataclasses.dataclass(frozen=True)
class Clip:
    """One generated clip.

    Attributes:
      audio: float32 [n].
      sample_rate: Hz.
      id: the clip's id, which with the seed fixes its noise.
      prompt: the tagged string it was generated from.
      seed: the seed.
    """

    audio: Float[np.ndarray, " n"]
    sample_rate: int
    id: str
    prompt: str
    seed: int


class Pipeline:
    """Dasheng AudioGen with its text encoder and audio tokenizer.

    Attributes:
      config: configuration of the generator.
      tokenizer: the audio tokenizer.
    """

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer, text_tokenizer: Path):
        """Args: the generator, the audio tokenizer, and the path of a tokenizer.json."""
        self.config = sampler.config
        self.tokenizer = tokenizer
        self._sampler = sampler
        self._text_tokenizer_path = text_tokenizer

    @classmethod
    def load(cls, source: str | Path = "nano") -> Self:
        """Loads a generator.

        The text tokenizer is read when the first prompt is, so that a folder without one still
        samples from token ids (unless the checkpoint trained embeddings of special tokens).

        Args:
          source: "nano" for the embedded model, or a generator folder in Hugging Face layout.

        Raises:
          ValueError: there is no such checkpoint, or it does not hold what it should.
        """
        folder = find_checkpoint(source)
        kind = read_config(folder).get("model_type")
        if kind != AudioGenConfig.MODEL_TYPE:
            raise ValueError(
                f"{folder} holds a {kind!r} checkpoint: expected {AudioGenConfig.MODEL_TYPE!r}"
            )
        config, params = load_audiogen(folder)
        text_folder = find_part(folder, "text_encoder_name", config.text_encoder_name)
        t5_config, t5_params = load_t5(text_folder)
        tokenizer = Tokenizer.load(find_part(folder, "tokenizer_name", config.tokenizer_name))
        if tokenizer.config.embed_dim != config.latent_dim:
            raise ValueError(
                f"{folder}: the generator makes {config.latent_dim}-channel latents, its tokenizer "
                f"reads {tokenizer.config.embed_dim}"
            )
        # A tokenizer.json of the generator wins over the text encoder's, as in the release.
        own = folder / "tokenizer.json"
        text_tokenizer = own if own.is_file() else text_folder / "tokenizer.json"
        special_token_ids = ()
        if config.special_tokens:
            special_token_ids = _read_text_tokenizer(text_tokenizer, config.special_tokens)[1]
        sampler = Sampler(config, params, t5_config, t5_params, special_token_ids)
        return cls(sampler, tokenizer, text_tokenizer)

    @functools.cached_property
    def _text_tokenizer(self) -> TextTokenizer:
        return _read_text_tokenizer(self._text_tokenizer_path, self.config.special_tokens)[0]

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        seed: int = 0,
        steps: int = 25,
        guidance: float = 5.0,
        duration: float | Sequence[float] | None = None,
        solver: str = "euler",
        schedule: str = "sway",
        ids: Sequence[str] | None = None,
    ) -> list[Clip]:
        """Generates one clip per prompt.

        The noise of a clip depends on `seed` and its id alone: a clip agrees to 1e-4 whatever
        is generated with it, and is identical bit for bit when the call is repeated. By default
        the id is the position in the list, so that equal prompts give different takes; to get
        the third clip of a list again by itself, pass ids=["2"].

        Args:
          prompts: tagged strings or StructuredCaptions.
          seed: in [0, 2**32).
          steps: solver steps, at least 1.
          guidance: classifier-free guidance scale, at least 0; above 1 every step evaluates the
            unconditional model too.
          duration: seconds, for all or one per prompt; None lets the model decide.
          solver: "euler", or "midpoint" or "heun" with two evaluations per step.
          schedule: "sway" or "linear".
          ids: one name per prompt, all different.

        Raises:
          ValueError: a bad argument, or a clip that came out silent or not finite, named.
        """
        if isinstance(prompts, str | StructuredCaption):
            prompts = [prompts]
        texts = [
            (StructuredCaption.parse(prompt) if isinstance(prompt, str) else prompt).format()
            for prompt in prompts
        ]
        if not texts:
            raise ValueError("no prompts: give at least one")
        names = _check_ids(ids, len(texts))
        durations = self._check_durations(duration, len(texts))
        if (
            isinstance(seed, bool)
            or not isinstance(seed, int | np.integer)
            or not 0 <= seed < 2**32
        ):
            raise ValueError(f"seed={seed!r} must be an integer in [0, 2**32)")
        check_options(steps, guidance, schedule, solver)

        token_ids, token_mask = self._text_tokenizer.encode_batch(
            texts, self.config.tokenizer_max_length
        )
        frames, samples = self._lengths(token_ids, token_mask, durations, names)
        channels = self.config.latent_dim
        audio: dict[int, np.ndarray] = {}
        for size, rows in _batches(frames, _SMALLEST_LATENTS):
            batch = _padded(rows)
            tokens = bucket(int(token_mask[rows].sum(axis=1).max()), _SMALLEST_TEXT)
            latents = self._sampler.sample(
                token_ids[batch, :tokens],
                token_mask[batch, :tokens],
                frames[batch],
                clip_noise(clip_keys(seed, [names[row] for row in batch]), size, channels),
                steps=steps,
                guidance=guidance,
                schedule=schedule,
                solver=solver,
            )
            finite = np.asarray(jnp.isfinite(latents).all(axis=(1, 2)))
            waveforms = self.tokenizer.decode_each(latents, frames[batch])
            # Rows beyond `rows` only fill the batch.
            for row, waveform, is_finite in zip(rows, waveforms, finite, strict=False):
                if not is_finite:
                    raise ValueError(f"clip {names[row]!r}: the sampled latents are not finite")
                audio[row] = waveform[: samples[row]]
                check_audible(audio[row], f"clip {names[row]!r}")
        return [
            Clip(audio[row], self.tokenizer.sample_rate, names[row], texts[row], int(seed))
            for row in range(len(texts))
        ]

    def sample_latents(
        self,
        token_ids: ArrayLike,
        token_mask: ArrayLike,
        noise: ArrayLike | None = None,
        steps: int = 25,
        guidance: float = 5.0,
        schedule: str = "sway",
        compat: str | None = None,
    ) -> tuple[Latents, FrameMask]:
        """Samples latents from token ids, at the lengths that the model predicts.

        Args:
          token_ids: int [b l].
          token_mask: bool [b l], True at tokens.
          noise: float [b t c] with t at least the longest prediction; None draws that of seed 0
            and ids "0", "1", ….
          steps, guidance, schedule: as in `generate`.
          compat: "release" follows the PyTorch release: timesteps cut to integers, and frames
            beyond a clip's length sampled along instead of set to zero.

        Returns:
          Latents float [b t c], and bool [b t], True at the frames of each clip.

        Raises:
          ValueError: a bad argument, or a clip with a predicted length beyond the noise.
        """
        check_options(steps, guidance, schedule, "euler")
        if compat not in (None, "release"):
            raise ValueError(f"compat={compat!r} must be None or 'release'")
        token_ids, token_mask = np.asarray(token_ids), np.asarray(token_mask, bool)
        shapes = token_ids.shape, token_mask.shape
        if token_ids.ndim != 2 or shapes[0] != shapes[1]:
            raise ValueError(f"token_ids and token_mask of shapes {shapes}: expected both [b l]")
        names = [str(row) for row in range(len(token_ids))]
        frames = self._check_predicted(self._sampler.frames(token_ids, token_mask), names)
        longest = int(frames.max())
        noise = (
            clip_noise(clip_keys(0, names), longest, self.config.latent_dim)
            if noise is None
            else jnp.asarray(noise, jnp.float32)
        )
        expected = (len(names), longest, self.config.latent_dim)
        if noise.ndim != 3 or noise.shape[::2] != expected[::2] or noise.shape[1] < longest:
            raise ValueError(
                f"noise of shape {noise.shape}: expected [b t c] with at least {expected}"
            )
        latents = self._sampler.sample(
            token_ids,
            token_mask,
            frames,
            noise,
            steps=steps,
            guidance=guidance,
            schedule=schedule,
            compat=compat,
        )
        return latents, jnp.arange(noise.shape[1]) < frames[:, None]

    def _lengths(
        self,
        token_ids: Int[np.ndarray, "b l"],
        token_mask: Bool[np.ndarray, "b l"],
        durations: Sequence[float] | None,
        names: Sequence[str],
    ) -> tuple[Int[np.ndarray, " b"], Int[np.ndarray, " b"]]:
        """Latent frames to sample and audio samples to keep, for every clip."""
        per_frame = self.config.downsampling_ratio
        if durations is not None:
            samples = np.rint(np.array(durations) * self.config.sample_rate).astype(np.int32)
            return -(-samples // per_frame), samples
        frames = np.zeros(len(token_ids), np.int32)
        for size, rows in _batches(token_mask.sum(axis=1), _SMALLEST_TEXT):
            batch = _padded(rows)
            predicted = self._sampler.frames(token_ids[batch, :size], token_mask[batch, :size])
            frames[rows] = predicted[: len(rows)]
        frames = self._check_predicted(frames, names)
        return frames, frames * per_frame

    def _check_predicted(
        self, frames: Int[np.ndarray, " b"], names: Sequence[str]
    ) -> Int[np.ndarray, " b"]:
        longest = self.config.dit_img_size
        for name, count in zip(names, frames, strict=True):
            if not 1 <= count <= longest:
                raise ValueError(
                    f"clip {name!r}: the model predicts {count} latent frames, expected 1 to "
                    f"{longest}; give a duration"
                )
        return frames

    def _check_durations(
        self, duration: float | Sequence[float] | None, count: int
    ) -> list[float] | None:
        if duration is None:
            return None
        durations = [duration] * count if isinstance(duration, int | float) else duration
        durations = [float(seconds) for seconds in durations]
        if len(durations) != count:
            raise ValueError(f"{len(durations)} durations for {count} prompts: give one for each")
        longest = self.config.dit_img_size / self.config.latent_rate
        shortest = 1 / self.config.latent_rate
        for seconds in durations:
            if not shortest <= seconds <= longest:
                raise ValueError(
                    f"duration={seconds} must be between {shortest:g} and {longest:g} seconds"
                )
        return durations


def _read_text_tokenizer(
    path: Path, special_tokens: Sequence[str]
) -> tuple[TextTokenizer, tuple[int, ...]]:
    """The text tokenizer with special tokens added, and their ids."""
    if not path.is_file():
        raise ValueError(
            f"no text tokenizer at {path}: put the text encoder's tokenizer.json there, or sample "
            "from token ids with sample_latents"
        )
    text_tokenizer = TextTokenizer.from_file(path)
    if not special_tokens:
        return text_tokenizer, ()
    extended = tokenizers.Tokenizer.from_file(str(path))
    extended.add_special_tokens(list(special_tokens))
    vocabulary = extended.get_vocab()
    return TextTokenizer(extended), tuple(vocabulary[token] for token in special_tokens)


def _check_ids(ids: Sequence[str] | None, count: int) -> list[str]:
    names = [str(row) for row in range(count)] if ids is None else [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"ids={names}: expected {count} different names, one for each prompt")
    return names


def _batches(
    lengths: Int[np.ndarray, " b"], smallest: int
) -> Iterator[tuple[int, Int[np.ndarray, " rows"]]]:
    """Groups clips by bucket: yields (bucket, indices of at most MAX_BATCH clips)."""
    buckets = np.array([bucket(int(length), smallest) for length in lengths])
    for size in np.unique(buckets):
        rows = np.flatnonzero(buckets == size)
        for start in range(0, len(rows), MAX_BATCH):
            yield int(size), rows[start : start + MAX_BATCH]


def _padded(rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " b"]:
    """`rows` filled up to a power of two with copies of the last, to bound the compiled shapes."""
    size = 1 << (len(rows) - 1).bit_length()
    return np.pad(rows, (0, size - len(rows)), mode="edge")
