r"""Stage (b) beyond nano: acoustic injection and decoder around an encoder of any size.

    audiogen convert mispeech/dashengtokenizer checkpoints/dashengtokenizer
    audiogen train --config tokenizer:xl --workdir runs/tokenizer_xl \
        --set init.encoder=checkpoints/dashengtokenizer \
        --set "data.manifests=(('clips.jsonl', 1.0),)"

Sizes are those of `init.encoder`: a converted checkpoint or an export of `configs/encoder.py` with
the same argument. Loss weights follow the publication of DashengTokenizer (mel 45). Not trained by
the authors of this repository.
"""

from ml_collections import ConfigDict

from . import nano_tokenizer
from .common import check_argument, on_a_pod

CLIPS = {"xl": 256, "base": 128, "small": 64}


def get_config(arg: str = "xl") -> ConfigDict:
    check_argument(arg, sorted(CLIPS))
    config = nano_tokenizer.get_config()
    on_a_pod(config)
    config.steps = 500_000
    config.freeze_injection_after = 200_000
    config.data.buckets, config.data.batch_sizes = (2.0,), (CLIPS[arg],)
    config.optimizer.update(learning_rate=2e-4, warmup_steps=5000)
    config.gan.update(start_step=200_000, n_ffts=(2048, 1024, 512, 256), channels=32)
    config.gan.optimizer.update(learning_rate=2e-4, warmup_steps=5000)
    return config
