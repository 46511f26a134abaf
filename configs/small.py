r"""The smallest DiT that is wider than the latents: 0.2 B parameters, for one accelerator.

    audiogen convert google/flan-t5-base checkpoints/flan-t5-base
    audiogen train --config small --workdir runs/small

Everything else is as in `configs/xl.py`, `:finetune`, `:lora` and `:smoke` included; shorter
schedule, smaller batch. It has not been trained by the authors of this repository.
"""

from ml_collections import ConfigDict

from . import xl

TEXT = "checkpoints/flan-t5-base"


def get_config(arg: str = "") -> ConfigDict:
    config = xl.get_config(arg)
    if arg not in ("finetune", "lora", "few_steps"):
        config.text_encoder, config.data.text_tokenizer = TEXT, f"{TEXT}/tokenizer.json"
    if arg != "smoke":
        config.model.text_encoder.update(d_model=768, d_ff=2048, num_layers=12, num_heads=12)
        config.model.audiogen.update(
            dit_embed_dim=1344, dit_num_heads=21, dit_depth=4, dit_mlp_ratio=2.0
        )
    if not arg:
        config.steps = 200_000
        config.data.batch_sizes = (64,)
        config.optimizer.warmup_steps = 2000
    return config
