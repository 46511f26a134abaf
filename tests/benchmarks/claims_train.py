"""How an arm of `claims` learns and makes clips: the package's own step and guided sampler."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.path import shift_levels
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import linear, sway
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.mesh import MeshConfig
from audiogen_jax.train.batches import LatentBatch
from audiogen_jax.train.objectives.flow_matching import SAMPLE_GUIDANCE, FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import (
    AdapterConfig,
    FlowMatchingConfig,
    TimeSamplingConfig,
)
from audiogen_jax.train.optimizer import OptimizerConfig
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.train_config import EvalConfig, GuardConfig
from audiogen_jax.types import Latents, Params, TokenMask
from tests.benchmarks.claims_data import Clips, Texts

CHUNK = 100
"""Steps in a program."""
CONDITION_DROPOUT = 0.1
WEIGHTS: Params = {"text_encoder": {}}
"""Of what is frozen: texts come encoded."""


class Given(nn.Module):
    """Stands in the place of a text encoder: hands on hidden states."""

    def __call__(self, hidden: Array, mask: TokenMask, embeds: None = None) -> Array:
        return hidden


@dataclasses.dataclass(frozen=True)
class EncodedTexts(DashengAudioGen):
    """A generator whose prompts hold hidden states of texts in the place of token ids."""

    _text_encoder = Given()  # pyright: ignore


def make_objective(
    nano: DashengAudioGen,
    *,
    latent_dim: int,
    width: int,
    depth: int,
    shift: float | None,
    steps: int,
    batch: int,
) -> FlowMatching:
    """The package's training of a generator, with the settings of nano.

    The average is that of nano's short stages; clips say how long they are, so that durations
    need not be learnt.

    Args:
      nano: whose other sizes it has.
      latent_dim: channels of its latents.
      width: of the DiT, in heads of 64.
      depth: of the DiT.
      shift: of uniform noise levels; None: those of nano.
      steps: of the training.
      batch: clips in each.
    """
    config = dataclasses.replace(
        nano.config,
        latent_dim=latent_dim,
        dit_in_chans=latent_dim,
        dit_out_chans=latent_dim,
        dit_embed_dim=width,
        dit_num_heads=width // 64,
        dit_depth=depth,
    )
    data = LatentDataConfig(datasets=(("clips", 1.0),), batch_sizes=(batch,))
    nano_levels = TimeSamplingConfig("logit_normal", 0.8, 1.3)
    levels = TimeSamplingConfig("uniform", 0.0, 1.0, shift) if shift else nano_levels
    settings = FlowMatchingConfig(
        objective="flow_matching", seed=0, steps=steps, max_seconds=0.0, data=data,
        optimizer=OptimizerConfig(1e-3, min(100, steps // 10), 0.9, 0.99, 0.01, 1.0),
        mesh=MeshConfig(), sharding="dp", remat=None, accumulate=1, guard=GuardConfig(0.0, 0),
        log_every=CHUNK, checkpoint_every=steps, export_every=steps, keep_checkpoints=1,
        keep_every=0, sample_every=0, eval=EvalConfig(steps, 1, 0), tokenizer="nano", init=None,
        text_encoder="nano", lora=AdapterConfig(0, 0.0), ema_decay=0.998, time_sampling=levels,
        duration_weight=0.0, dtype=np.dtype("float32"), model={},
    )  # fmt: skip
    return FlowMatching(settings, EncodedTexts(config, nano.text))


def draw_batch(key: Array, clips: Clips, texts: Texts, batch: int) -> LatentBatch:
    """Clips in any order, each with one of its wordings, some without."""
    row_key, wording_key, drop_key = jax.random.split(key, 3)
    rows = jax.random.randint(row_key, (batch,), 0, len(clips.lengths))
    wordings = jax.random.randint(wording_key, (batch,), 0, clips.texts.shape[1])
    chosen = clips.texts[rows, wordings]
    dropped = jax.random.bernoulli(drop_key, CONDITION_DROPOUT, (batch,))
    prompts = Texts(texts.hidden[chosen], texts.mask[chosen]).prompts()
    return LatentBatch(clips.latents[rows], clips.lengths[rows], dropped, prompts)


def train(
    objective: FlowMatching, clips: Clips, texts: Texts, *, seeds: int, batch: int
) -> tuple[Params, dict[str, Any]]:
    """Trains so many seeds, each with its own parameters, batches and noise.

    One after another in each program: side by side their convolutions become grouped ones, which
    are slow.

    Args:
      objective: the training of one.
      clips: all of them.
      texts: of the clips.
      seeds: how many.
      batch: clips in a step.

    Returns:
      Averaged parameters with a leading axis of seeds, and how it went.
    """
    steps, generator = objective.config.steps, objective.generator
    whole = DashengAudioGen(generator.config, generator.text)  # pyright: ignore
    chunk = min(CHUNK, steps)

    def start(seed: Int[Array, ""]) -> TrainState:
        network = whole.init(jax.random.key(seed))["audiogen"]
        return TrainState.new({"audiogen": network}, objective.optimizer, average=True)

    def run(seed: Int[Array, ""], state: TrainState, clips: Clips, texts: Texts):
        config = dataclasses.replace(objective.config, seed=seed)  # of all that a step draws
        own = dataclasses.replace(objective, config=config)
        key = jax.random.fold_in(jax.random.key(seed), steps)  # no step has this number

        def step(state: TrainState, _: None) -> tuple[TrainState, Array]:
            drawn = draw_batch(jax.random.fold_in(key, state.step), clips, texts, batch)
            state, metrics = own.step(state, drawn, WEIGHTS)
            return state, metrics["loss"]

        state, losses = jax.lax.scan(step, state, length=chunk)
        return state, losses.mean()

    def measure(seed: Int[Array, ""], state: TrainState, clips: Clips, texts: Texts) -> Array:
        def loss(index: Array) -> Array:
            key = jax.random.fold_in(jax.random.key(seed), steps + 1 + index)
            drawn = draw_batch(key, clips, texts, batch)
            return objective.evaluate(state, drawn, WEIGHTS, index)["loss"]

        return jax.lax.map(loss, jnp.arange(16)).mean()

    def each(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
        def of_all(numbers: Int[Array, " s"], state: PyTree = None, *tables: PyTree) -> PyTree:
            def of_one(one: tuple[Int[Array, ""], PyTree]) -> PyTree:
                return function(*(one if tables else one[:1]), *tables)

            return jax.lax.map(of_one, (numbers, state))

        return of_all

    numbers, began = jnp.arange(seeds), time.perf_counter()
    state, tables = jax.jit(each(start))(numbers), (clips, texts)
    program = jax.jit(each(run), donate_argnums=1)
    compiled = program.lower(numbers, state, *tables).compile()
    compile_seconds, losses, times = time.perf_counter() - began, [], []
    for number in range(steps // chunk):
        began = time.perf_counter()
        state, mean = compiled(numbers, state, *tables)
        losses.append([round(float(loss), 4) for loss in mean])  # waits
        times.append(time.perf_counter() - began)
        rate = chunk / times[-1]
        print(f"step {(number + 1) * chunk}: loss {losses[-1]}, {rate:.2f} steps/s", flush=True)
    average = jax.jit(each(measure))(numbers, state, *tables)
    assert state.ema is not None
    return state.ema, {
        "losses": losses,
        "ema_loss": [float(loss) for loss in average],
        "parameters": sum(leaf[0].size for leaf in jax.tree.leaves(state.params)),
        "compile_seconds": compile_seconds,
        "train_seconds": sum(times),
        "steps_per_second": chunk / float(np.median(times)),
    }


def sample_prompts(
    generator: DashengAudioGen,
    params: Params,
    texts: Texts,
    lengths: Int[np.ndarray, " b"],
    *,
    frames: int,
    steps: int,
    shift: float | None,
) -> Float[np.ndarray, "s b t c"]:
    """Guided latents of each seed, all from the same noise.

    Args:
      generator: that was trained.
      params: with a leading axis of seeds.
      texts: of each clip.
      lengths: frames of each clip.
      frames: of the longest.
      steps: of Euler's method.
      shift: of equal steps; None: nano's.
    """
    levels = shift_levels(linear(steps), shift) if shift else sway(steps)
    plan, guidance = SOLVERS["euler"](levels), Guidance.classifier_free(SAMPLE_GUIDANCE)

    @jax.jit
    def draw(network: Params, texts: Texts, lengths: Array) -> Latents:
        weights, mask = {**network, **WEIGHTS}, length_mask(lengths, frames)
        condition = generator.condition(weights, texts.prompts())
        velocity, prepare = guided_velocity(
            generator, generator.for_sampling(weights), condition, guidance, mask,
            unconditional=True,
        )  # fmt: skip
        noise = jax.random.normal(jax.random.key(0), (*mask.shape, generator.latent_dim))
        return sample(velocity, noise, plan, mask, prepare=prepare)

    seeds = len(jax.tree.leaves(params)[0])
    of = [jax.tree.map(lambda leaf, seed=seed: leaf[seed], params) for seed in range(seeds)]
    return np.stack([np.asarray(draw(network, texts, lengths)) for network in of])
