"""Clips of the embedded model that solvers and precisions are compared on."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.caption import compose
from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.flow.guidance import guidance_weights, guide
from audiogen_jax.infer.loading import GeneratorParts
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.models.audiogen.cached_dit import (
    cached_velocity,
    prepare_levels,
    prepare_text,
    unstack_blocks,
)
from audiogen_jax.models.audiogen.dit import DiT
from audiogen_jax.models.audiogen.generator import AudioGen, condition
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Latents

GUIDANCE = 5.0
SEED = 0
_DIGITS = [
    compose(caption=f'A man says "{digit}".', speech="a man speaking", asr=digit)
    for digit in ("zero", "two", "five", "seven", "nine")
]
_SOUNDS = [
    compose(caption="A dog barks.", sfx="a dog barking"),
    compose(caption="A rooster crows.", sfx="a rooster crowing"),
    compose(caption="Rain is falling.", env="rain falling"),
    compose(caption="Waves of the sea.", env="sea waves"),
    compose(caption="A clock ticks.", sfx="a ticking clock"),
    compose(caption="A slow piano piece.", music="a slow piano piece"),
]
_MIXTURES = [
    compose(
        caption=f'A man saying "{digit}" and {sound}.',
        speech="a man speaking",
        asr=digit,
        **{view: sound},
    )
    for digit, view, sound in (
        ("three", "sfx", "a dog barking"),
        ("eight", "env", "rain falling"),
        ("one", "sfx", "a crowing rooster"),
        ("six", "env", "sea waves"),
        ("four", "env", "a crackling fire"),
    )
]


class Clips(NamedTuple):
    """A batch as the sampler takes it; see `infer.sampling.Sampler.sample`."""

    token_ids: Int[np.ndarray, "b l"]
    token_mask: Bool[np.ndarray, "b l"]
    frames: Int[np.ndarray, " b"]
    noise: Latents

    def errors(self, found: Latents, expected: Latents) -> Float[np.ndarray, " b"]:
        """Relative L2 distance of every clip, over its own frames."""
        valid = np.arange(self.noise.shape[1])[:, None] < self.frames[:, None, None]
        difference, scale = (
            np.sqrt(np.square(np.where(valid, x, 0), dtype=np.float64).sum(axis=(1, 2)))
            for x in (np.asarray(found) - np.asarray(expected), np.asarray(expected))
        )
        return difference / scale


def nano_clips(parts: GeneratorParts, count: int = 16) -> Clips:
    """Digits of 0.8 s, sounds of 3 s, digits beside sounds of 3 s, taken in turns."""
    groups = ((_DIGITS, 20), (_SOUNDS, 75), (_MIXTURES, 75))
    ranked = [
        (rank, prompt, frames) for group, frames in groups for rank, prompt in enumerate(group)
    ]
    chosen = sorted(ranked, key=lambda clip: clip[0])[:count]
    prompts: Sequence[str] = [caption.format() for _, caption, _ in chosen]
    tokenizer = TextTokenizer.from_file(find_checkpoint("nano") / "tokenizer.json")
    ids, mask = tokenizer.encode_batch(prompts, parts.config.tokenizer_max_length)
    frames = np.array([frames for *_, frames in chosen])
    noise = clip_noise(clip_keys(SEED, prompts), int(frames.max()), parts.config.latent_dim)
    return Clips(ids, mask, frames, noise)


def guided_velocity(
    parts: GeneratorParts, clips: Clips, dtype: Any = jnp.float32
) -> Callable[[Latents, Float[Array, ""]], Latents]:
    """The velocity that the sampler integrates, compiled by itself.

    Args:
      parts: of a checkpoint; its parameters are left as they are.
      clips: of which.
      dtype: of the computation.
    """
    config = parts.config
    model = AudioGen(config, text_dim=parts.text_config.d_model, dtype=dtype)
    encoder, dit = T5Encoder(parts.text_config, dtype=dtype), DiT(config, dtype=dtype)
    both = {"text_encoder": parts.text_params, "audiogen": parts.params}
    blocks = unstack_blocks(jax.tree.map(lambda leaf: leaf, parts.params["dit"]))

    @jax.jit
    def prepare(both, blocks):
        told = condition(model, encoder, both, clips.token_ids, clips.token_mask)
        aligned = jnp.concatenate([jnp.zeros_like(told.time_aligned), told.time_aligned])
        return prepare_text(dit, blocks, told.context, aligned)

    text = prepare(both, blocks)
    valid = jnp.arange(clips.noise.shape[1]) < jnp.asarray(clips.frames)[:, None]

    @jax.jit
    def velocity(blocks, text, x, sigma):
        level = jax.tree.map(lambda leaf: leaf[0], prepare_levels(dit, blocks, sigma[None]))
        found = cached_velocity(dit, blocks, text, clips.token_mask, jnp.tile(valid, (2, 1)))
        return guide(found, jnp.array(guidance_weights(GUIDANCE)))(x, level)

    return lambda x, sigma: velocity(blocks, text, x, jnp.asarray(sigma))
