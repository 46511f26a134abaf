"""Our parts of `accelerator`."""

import functools
import math
import resource
import time

STARTED = time.perf_counter()

from tests.benchmarks.bare_environment import install  # noqa: E402

STOOD_IN = install()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from audiogen_jax.evaluate.protocol import environment  # noqa: E402
from audiogen_jax.flow.guidance import Guidance  # noqa: E402
from audiogen_jax.flow.loss import flow_matching_loss  # noqa: E402
from audiogen_jax.flow.sampler import sample  # noqa: E402
from audiogen_jax.hardware import chip_of  # noqa: E402
from audiogen_jax.infer.options import SamplingOptions  # noqa: E402
from audiogen_jax.infer.sampler import Sampler  # noqa: E402
from audiogen_jax.models.audiogen.config import AudioGenConfig  # noqa: E402
from audiogen_jax.models.audiogen.generator import Condition, DashengAudioGen  # noqa: E402
from audiogen_jax.models.dasheng.codec import DashengCodec  # noqa: E402
from audiogen_jax.models.dasheng.config import TokenizerConfig  # noqa: E402
from audiogen_jax.models.guided_velocity import guided_velocity  # noqa: E402
from audiogen_jax.models.t5.config import T5Config  # noqa: E402
from audiogen_jax.ops import attention  # noqa: E402
from audiogen_jax.train.flops import matmul_flops  # noqa: E402
from audiogen_jax.train.gradients import value_and_gradients  # noqa: E402
from audiogen_jax.train.optimizer import OptimizerConfig, make_optimizer  # noqa: E402
from audiogen_jax.types import Tokens  # noqa: E402
from tests.benchmarks.accelerator_part import Record, Size, median_seconds, run  # noqa: E402

POOL = 1 << 20


def random_params(init, dtype) -> dict:
    """Parameters of the shapes that `init` gives: normal numbers, the same again and again.

    To draw billions takes long on the host, and to compile a generator for each leaf on the device.
    """
    shapes = jax.eval_shape(init, jax.random.key(0))
    pool = 0.02 * np.random.default_rng(0).standard_normal(POOL, np.float32)

    @jax.jit
    def fill(pool):
        def leaf(shape):
            copies = -(-math.prod(shape.shape) // POOL)
            values = jnp.broadcast_to(pool, (copies, POOL)).ravel()
            return values[: math.prod(shape.shape)].reshape(shape.shape)

        return jax.tree.map(leaf, shapes)

    return fill(jnp.asarray(pool, dtype))


def peak_flops() -> float | None:
    """Of the device, by its data sheet; None if it is not in the table."""
    chip = chip_of(jax.devices()[0].device_kind)
    return chip.flops if chip else None


def peak_bytes() -> int:
    """Most memory in use so far: of the device, or of the process where the device cannot say."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def share_of_peak(flops: float, seconds: float) -> float | None:
    """Of the peak of the device."""
    peak = peak_flops()
    return flops / seconds / peak if peak else None


def matmul_rate(size: int) -> float:
    """Operations per second that the device reaches in a large bfloat16 product."""
    x = jnp.ones((size, size), jnp.bfloat16)
    product = jax.jit(lambda x: x @ x)
    return 2 * size**3 / median_seconds(lambda: product(x).block_until_ready(), 5)["median"]


def train(size: Size, record: Record) -> None:
    """A step of the velocity network: loss, gradients, clipping and AdamW as configs/base.py."""
    record(environment=environment() | {"stood_in_for": STOOD_IN}, peak_flops=peak_flops())
    record(matmul_flops_per_second=matmul_rate(8192 if size.clips > 2 else 256))
    model = DashengAudioGen(AudioGenConfig(**size.train), T5Config(**size.text), dtype=jnp.bfloat16)
    params = random_params(model.init, jnp.float32)["audiogen"]
    dit = params["dit"]
    rest = {name: value for name, value in params.items() if name != "dit"}
    optimizer = make_optimizer(OptimizerConfig(5e-4, 10, 0.9, 0.95, 0.01, 1.0), 400_000)
    keys = jax.random.split(jax.random.key(2), 3)
    shape = (size.clips, size.frames, model.latent_dim)
    batch = {
        "data": jax.random.normal(keys[0], shape, jnp.bfloat16),
        "noise": jax.random.normal(keys[1], shape),
        "sigma": jnp.linspace(0.1, 0.9, size.clips),
        "context": jax.random.normal(
            keys[2], (size.clips, size.tokens, model.config.dit_context_dim), jnp.bfloat16
        ),
    }

    def loss(dit, batch, key):
        clips, frames = batch["data"].shape[:2]
        aligned = jnp.broadcast_to(rest["no_time_aligned"], (clips, 1, model.config.content_dim))
        tokens = jnp.ones(batch["context"].shape[:2], bool)
        condition = Condition(batch["context"], tokens, aligned, batch["sigma"])
        mask = jnp.ones((clips, frames), bool)

        def velocity(x, sigma):
            return model.velocity({"audiogen": {**rest, "dit": dit}}, condition, x, sigma, mask)

        data = batch["data"].astype(jnp.float32)
        value = flow_matching_loss(velocity, data, batch["noise"], batch["sigma"], mask)
        return value, {"loss": value}

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, batch):
        dit, moments = state
        metrics, gradients = value_and_gradients(loss, dit, batch, jax.random.key(3))
        updates, moments = optimizer.update(gradients, moments, dit)
        return (jax.tree.map(jnp.add, dit, updates), moments), metrics["loss"]

    state = dit, jax.jit(optimizer.init)(dit)
    del params, dit
    flops = matmul_flops(step, state, batch)
    record(parameters=sum(leaf.size for leaf in jax.tree.leaves(state[0])), step_flops=flops)

    def once() -> None:
        nonlocal state
        state, value = step(state, batch)
        assert np.isfinite(float(value))

    start = time.perf_counter()
    once()
    record(first_step_seconds=time.perf_counter() - start)
    times = median_seconds(once, size.repeats)
    record(step_seconds=times["median"], step_times=times["all"], peak_bytes=peak_bytes())
    record(mfu=share_of_peak(flops, times["median"]), clips=size.clips, frames=size.frames)


def train_cudnn(size: Size, record: Record) -> None:
    """With the attention that the package chooses; the result says which."""
    chosen, choose = set(), attention.implementation

    def implementation(*arguments):
        chosen.add(choose(*arguments) or "xla")
        return choose(*arguments)

    attention.implementation = implementation
    train(size, record)
    record(attention=sorted(chosen))


def train_xla(size: Size, record: Record) -> None:
    """With XLA's attention everywhere."""
    attention.implementation = lambda *arguments: None
    train(size, record)
    record(attention=["xla"])


class Clips:
    """Texts to waveforms at the published size in bfloat16."""

    def __init__(self, size: Size):
        self.size = size
        config, text = AudioGenConfig(**size.generate), T5Config(**size.text)
        self.generator = DashengAudioGen(config, text, dtype=jnp.bfloat16)
        self.params = self.generator.for_sampling(random_params(self.generator.init, jnp.bfloat16))
        self.sampler = Sampler(self.generator, self.params)
        self.codec = DashengCodec(TokenizerConfig(**size.codec), dtype=jnp.bfloat16)
        self.codec_params = random_params(self.codec.init, jnp.bfloat16)
        self.decode = jax.jit(self.codec.decode)
        self.options = SamplingOptions(size.steps)

    def inputs(self, clips: int) -> tuple[Tokens, jax.Array]:
        ids = np.random.default_rng(0).integers(2, 300, (clips, self.size.tokens))
        noise = jax.random.normal(
            jax.random.key(1), (clips, self.size.frames, self.generator.latent_dim)
        )
        return Tokens(ids.astype(np.int32), np.ones(ids.shape, bool)), noise

    def make(self, clips: int) -> np.ndarray:
        """Waveforms, on the host."""
        tokens, noise = self.inputs(clips)
        conditions = [[each] for each in self.sampler.condition(tokens)]
        lengths = np.full(clips, self.size.frames)
        latents = self.sampler.sample(conditions, lengths, noise, self.options)
        return np.asarray(self.decode(self.codec_params, latents))

    def flops(self, clips: int) -> float:
        """Of what `make` runs on the device."""

        def whole(params, codec_params, tokens, noise):
            mask = jnp.ones(noise.shape[:2], bool)
            condition = self.generator.condition(params, tokens)
            guidance = Guidance.classifier_free(self.options.guidance)
            velocity, levels = guided_velocity(
                self.generator, params, condition, guidance, mask, unconditional=True
            )
            latents = sample(velocity, noise, self.options.plan(), mask, prepare=levels)
            return self.codec.decode(codec_params, latents)

        arguments = (self.params, self.codec_params, *self.inputs(clips))
        return matmul_flops(jax.jit(whole), *arguments)


def first_clip(size: Size, record: Record) -> Clips:
    """From the start of the process to the samples of a clip, weights drawn instead of read."""
    record(environment=environment() | {"stood_in_for": STOOD_IN})
    imported = time.perf_counter()
    clips = Clips(size)
    jax.block_until_ready(clips.params)
    drawn = time.perf_counter()
    audio = clips.make(1)
    assert np.isfinite(audio).all()
    record(
        first_clip_seconds=time.perf_counter() - STARTED,
        import_seconds=imported - STARTED,
        weights_seconds=drawn - imported,
        samples=audio.shape[1],
    )
    return clips


def generate(size: Size, record: Record) -> None:
    """Clips of 10 s, alone and eight together."""
    clips = first_clip(size, record)
    for batch in (1, 8):
        times = median_seconds(lambda batch=batch: clips.make(batch), size.repeats)
        flops = clips.flops(batch)
        record(
            **{
                f"batch_{batch}_seconds": times["median"],
                f"batch_{batch}_times": times["all"],
                f"batch_{batch}_flops": flops,
                f"batch_{batch}_share_of_peak": share_of_peak(flops, times["median"]),
            },
            peak_bytes=peak_bytes(),
        )


def nothing(size: Size, record: Record) -> None:
    """Only that everything can be imported."""
    record(stood_in_for=STOOD_IN)


if __name__ == "__main__":
    parts = (train_cudnn, train_xla, generate, first_clip, nothing)
    run({function.__name__: function for function in parts})  # type: ignore[misc]
