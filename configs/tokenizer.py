r"""Stage (b) beyond nano: acoustic injection and decoder around an encoder of any size.

    audiogen convert mispeech/dashengtokenizer checkpoints/dashengtokenizer
    audiogen train --config configs/tokenizer.py:xl --workdir runs/tokenizer_xl \
        --set init.encoder=checkpoints/dashengtokenizer \
        --set "data.manifests=(('clips.jsonl', 1.0),)"

Sizes are those of `init.encoder`: a converted checkpoint or an export of `configs/encoder.py` with
the same argument. Loss weights follow the publication of DashengTokenizer (mel 45). Not trained by
the authors of this repository.
"""

from pathlib import Path

from ml_collections import ConfigDict

from audiogen_jax.train.config import load_config

CLIPS = {"xl": 256, "base": 128, "small": 64}


def get_config(arg: str = "xl") -> ConfigDict:
    if arg not in CLIPS:
        raise ValueError(f"unknown config argument {arg!r}: expected one of {sorted(CLIPS)}")
    config = load_config(f"{Path(__file__).with_name('nano_tokenizer.py')}")
    with config.unlocked():
        config.steps = 500_000
        config.freeze_injection_after = 200_000
        config.data.buckets, config.data.batch_sizes = (2.0,), (CLIPS[arg],)
        config.optimizer.learning_rate, config.optimizer.warmup_steps = 2e-4, 5000
        config.gan.update(start_step=200_000, n_ffts=(2048, 1024, 512, 256), channels=32)
        config.gan.optimizer.update(learning_rate=2e-4, warmup_steps=5000)
        config.guard.update(spike=10.0, limit=20)
        config.mesh.update(data=1, fsdp=-1)
        config.sharding = "fsdp"
        config.checkpoint_every, config.keep_every = 2000, 100_000
    return config
