"""Names of the axes of Dasheng's parameters; see `sharding.placement`."""

from audiogen_jax.sharding.placement import AxisRules

BLOCKS = r"(audio_encoder/blocks|decoder_blocks)"
"""Transformer blocks, of the encoder and of the decoder that it is pretrained with."""

AXES: AxisRules = (
    # Fused queries, keys and values are three blocks side by side, so that their heads cannot be
    # cut in one piece.
    (rf"{BLOCKS}/qkv/kernel", ("embed", None)),
    (rf"{BLOCKS}/proj/kernel", ("heads", "embed")),
    (rf"{BLOCKS}/mlp/fc1/kernel", ("embed", "mlp")),
    (rf"{BLOCKS}/mlp/fc2/kernel", ("mlp", "embed")),
    (r"(audio_encoder|acoustic_injection)/patch_embed/kernel", ("embed", None)),
    (r"audio_encoder/time_pos_embed|decoder_pos_embed", (None, "embed")),
    (r"predict/kernel", ("embed", None)),
    (r"upsampler/kernel", ("embed", None, None)),
    (r"decoder/backbone/convnext/dwconv/kernel", (None, "embed")),
    (r"decoder/backbone/convnext/pwconv1/kernel", ("embed", "mlp")),
    (r"decoder/backbone/convnext/pwconv2/kernel", ("mlp", "embed")),
    (r"decoder/(backbone/embed|head/out)/kernel", ("embed", None)),
    (
        r"(audio_encoder|acoustic_injection|upsampler|decoder\w*|predict)/"
        r"(.*/)?(bias|scale|mean|var|gamma|freq_pos_embed)",
        (None,),
    ),
    (r"mask_token", (None,)),
)
"""Of the tokenizer and of the masked autoencoder."""
