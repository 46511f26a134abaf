"""Clips of the embedded model that solvers and precisions are compared on."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.caption import compose, parse
from audiogen_jax.checkpoints.registry import LoadedGenerator
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.types import Latents, Tokens

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
    """A batch of prompts, with the lengths and the noise of their clips."""

    prompts: Tokens
    lengths: Int[np.ndarray, " b"]
    noise: Latents

    def errors(self, found: Latents, expected: Latents) -> Float[np.ndarray, " b"]:
        """Relative L2 distance of every clip, over its own frames."""
        valid = np.arange(self.noise.shape[1])[:, None] < self.lengths[:, None, None]
        difference, scale = (
            np.sqrt(np.square(np.where(valid, x, 0), dtype=np.float64).sum(axis=(1, 2)))
            for x in (np.asarray(found) - np.asarray(expected), np.asarray(expected))
        )
        return difference / scale


def nano_clips(loaded: LoadedGenerator, count: int = 16) -> Clips:
    """Digits of 0.8 s, sounds of 3 s, digits beside sounds of 3 s, taken in turns."""
    groups = ((_DIGITS, 20), (_SOUNDS, 75), (_MIXTURES, 75))
    ranked = [
        (rank, prompt, frames) for group, frames in groups for rank, prompt in enumerate(group)
    ]
    chosen = sorted(ranked, key=lambda clip: clip[0])[:count]
    prompts = [parse(caption).format() for _, caption, _ in chosen]
    lengths = np.array([frames for *_, frames in chosen])
    keys = clip_keys(SEED, prompts)
    noise = clip_noise(keys, int(lengths.max()), loaded.generator.latent_dim)
    return Clips(loaded.tokenize(prompts), lengths, noise)


def compiled_velocity(
    loaded: LoadedGenerator, clips: Clips
) -> Callable[[Latents, Float[Array, ""]], Latents]:
    """The velocity that the sampler integrates, compiled by itself.

    Args:
      loaded: a generator.
      clips: of which.
    """
    generator, params = loaded.generator, loaded.params
    condition = jax.jit(generator.condition)(params, clips.prompts)
    guidance = Guidance.classifier_free(GUIDANCE)
    mask = jnp.arange(clips.noise.shape[1]) < jnp.asarray(clips.lengths)[:, None]

    @jax.jit
    def velocity(params, condition, x, sigma):
        guided = guided_velocity(generator, params, condition, guidance, mask, unconditional=True)
        level = jax.tree.map(lambda leaf: leaf[0], guided.levels(sigma[None]))
        return guided.velocity(x, level)

    return lambda x, sigma: velocity(params, condition, x, jnp.asarray(sigma))
