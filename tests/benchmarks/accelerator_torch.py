"""PyTorch's parts of `accelerator`; without torch they say so."""

import resource
import sys
import time

STARTED = time.perf_counter()

from tests.benchmarks.bare_environment import install  # noqa: E402

install()

try:
    import torch  # noqa: E402, TID251
except ImportError:
    sys.exit("torch is not installed: pip install torch")

from audiogen_jax.models.audiogen.config import AudioGenConfig  # noqa: E402
from audiogen_jax.models.dasheng.config import TokenizerConfig  # noqa: E402
from audiogen_jax.models.t5.config import T5Config  # noqa: E402
from tests.benchmarks.accelerator_part import Record, Size, median_seconds, run  # noqa: E402
from tests.benchmarks.torch_audiogen import TorchAudioGen  # noqa: E402
from tests.benchmarks.torch_decoder import Decoder  # noqa: E402
from tests.benchmarks.torch_dit import DiT  # noqa: E402
from tests.benchmarks.torch_text import T5Encoder  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def about() -> dict[str, object]:
    """Of the environment, what our parts do not know."""
    return {
        "torch_version": torch.__version__,
        "torch_device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
    }


def peak_bytes() -> int:
    """Most memory in use so far: of the device, or of the process on a CPU."""
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def wait() -> None:
    """Until the device is done."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


@torch.no_grad()
def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """With the weights drawn anew, so that no layer is switched off at its start."""
    for parameter in (*module.parameters(), *module.buffers()):
        if parameter.is_floating_point():
            parameter.normal_(0, 0.02)
    return module


def train(size: Size, record: Record) -> None:
    """The step of `accelerator_jax.train`: compiled by blocks, in autocast, fused AdamW."""
    record(environment=about())
    torch.set_default_device(DEVICE)
    torch.set_float32_matmul_precision("high")
    config = AudioGenConfig(**size.train)
    network = randomised(DiT(config)).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), 5e-4, (0.9, 0.95), weight_decay=0.01, fused=DEVICE == "cuda"
    )
    shape = (size.clips, config.latent_dim, size.frames)
    data, noise = torch.randn(shape), torch.randn(shape)
    sigma = torch.linspace(0.1, 0.9, size.clips)
    context = torch.randn(size.clips, size.tokens, config.dit_context_dim)
    tokens = torch.ones(size.clips, size.tokens, dtype=torch.bool)
    frames = torch.ones(size.clips, size.frames, dtype=torch.bool)
    aligned = torch.randn(1, 1, config.dit_ta_context_dim).expand(size.clips, size.frames, -1)
    for block in (*network.in_blocks, network.mid_block, *network.out_blocks):
        block.compile()  # all have one code, compiled once: the whole takes minutes
    record(parameters=sum(parameter.numel() for parameter in network.parameters()))

    def once() -> None:
        level = sigma[:, None, None]
        noisy = (1 - level) * data + level * noise
        with torch.autocast(DEVICE, torch.bfloat16):
            found = network(noisy, 1000 * sigma, context, tokens, aligned, frames)
        loss = (found.float() - (noise - data)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        assert torch.isfinite(loss)
        wait()

    start = time.perf_counter()
    once()
    record(first_step_seconds=time.perf_counter() - start)
    times = median_seconds(once, size.repeats)
    record(step_seconds=times["median"], step_times=times["all"], peak_bytes=peak_bytes())
    record(clips=size.clips, frames=size.frames)


def generate(size: Size, record: Record) -> None:
    """Clips as the release makes them: eager, float32, `steps` + 1 calls of two rows a clip."""
    record(environment=about())
    torch.set_default_device(DEVICE)
    config, text = AudioGenConfig(**size.generate), T5Config(**size.text)
    model = TorchAudioGen(config, text.d_model)
    model.text_encoder, model.decoder = T5Encoder(text), Decoder(TokenizerConfig(**size.codec))
    randomised(model).eval().requires_grad_(False)
    model.instruction_lengths.fill_(config.instruction_seq_len)

    def make(clips: int) -> torch.Tensor:
        ids = torch.randint(2, 300, (clips, size.tokens))
        mask = torch.ones(clips, size.tokens, dtype=torch.bool)
        frames = torch.full((clips,), size.frames)
        noise = torch.randn(clips, config.latent_dim, size.frames)
        latents = model.sample(ids, mask, frames, noise, size.steps)
        return model.decode(latents).cpu()

    audio = make(1)
    record(first_clip_seconds=time.perf_counter() - STARTED, samples=audio.shape[1])
    for batch in (1, 8):
        times = median_seconds(lambda batch=batch: make(batch), max(2, size.repeats // 3))
        record(
            **{f"batch_{batch}_seconds": times["median"], f"batch_{batch}_times": times["all"]},
            peak_bytes=peak_bytes(),
        )


if __name__ == "__main__":
    run({function.__name__: function for function in (train, generate)})
