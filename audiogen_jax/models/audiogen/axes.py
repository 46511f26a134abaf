"""Names of the axes of Dasheng AudioGen's parameters; see `sharding.placement`."""

from audiogen_jax.models.t5 import axes as t5
from audiogen_jax.sharding.placement import AxisRules, beneath

BLOCKS = r"dit/(in_blocks|mid_block|out_blocks|blocks)"
"""Stacked in two, as modules have them, or apart, as samplers do."""

NETWORK: AxisRules = (
    (
        rf"({BLOCKS}/(cross_)?|content_adapter/)attention/(query|key|value)/kernel",
        ("embed", "heads"),
    ),
    (rf"({BLOCKS}/(cross_)?|content_adapter/)attention/out/kernel", ("heads", "embed")),
    (rf"{BLOCKS}/mlp/proj_in/kernel", ("embed", "mlp")),
    (rf"{BLOCKS}/mlp/proj_out/kernel", ("mlp", "embed")),
    (rf"{BLOCKS}/(time_aligned|skip_linear)/kernel", ("embed", None)),
    (rf"({BLOCKS}/|dit/final_)modulation/kernel", ("embed", "mlp")),
    (r"dit/(time|until|guidance)_embed/fc1/kernel", ("embed", "mlp")),
    (r"dit/(time|until|guidance)_embed/fc2/kernel", ("mlp", "embed")),
    (r"dit/(context_fc1|context_fc2|patch_embed|final_linear|final_conv)/kernel", ("embed", None)),
    (r"content_adapter/duration_fc1/kernel", ("embed", "mlp")),
    (r"content_adapter/duration_fc2/kernel", ("mlp", "embed")),
    (r"content_adapter/(content_out|local_duration/(conv_\d+|out))/kernel", ("embed", None)),
    (r"(text_proj|source_proj|source_embed)/kernel", ("embed", None)),
    (r"instruction", (None, "embed")),
    (r"special_token_embed/embedding", (None, None)),
    (r"(.*/)?(bias|scale|no_time_aligned|no_context)", (None,)),
)

AXES: AxisRules = beneath("audiogen", NETWORK) + beneath("text_encoder", t5.AXES)
"""Of the whole generator, {"text_encoder", "audiogen"}."""
