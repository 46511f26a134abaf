"""What the generation benchmark runs: shapes, inputs, and random weights at the published width."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

LATENT_RATE = 25
CHANNELS = 1280
VOCABULARY = 32128


@dataclasses.dataclass(frozen=True)
class Case:
    """A batch of clips.

    Attributes:
      batch: clips.
      seconds: length of each.
      tokens: of the longest prompt; the others are shorter.
      guidance: classifier-free guidance scale.
    """

    batch: int = 1
    seconds: float = 10.0
    tokens: int = 64
    guidance: float = 5.0

    @property
    def frames(self) -> Int[np.ndarray, " b"]:
        """Latent frames of each clip, all alike: neither side may save work on padding."""
        return np.full(self.batch, round(self.seconds * LATENT_RATE))

    def text(self) -> tuple[Int[np.ndarray, "b l"], Bool[np.ndarray, "b l"]]:
        """Token ids and mask."""
        rng = np.random.default_rng(0)
        ids = rng.integers(2, VOCABULARY, (self.batch, self.tokens))
        lengths = np.linspace(self.tokens, self.tokens // 2, self.batch).astype(int)
        return ids, np.arange(self.tokens) < lengths[:, None]

    def noise(self) -> Float[np.ndarray, "b t c"]:
        """Where sampling starts."""
        shape = (self.batch, int(self.frames[0]), CHANNELS)
        return np.random.default_rng(1).standard_normal(shape, np.float32)


def write_checkpoint(folder: Path, depth: int, text_layers: int) -> Path:
    """Random weights in the layout of the release, written by the package's own export.

    Everything but the depths is that of the release. Parts that are there already are kept.

    Args:
      folder: gets the generators' folders, and the text encoder and the tokenizer they share.
      depth: of the velocity network (the release: 32).
      text_layers: of the text encoder (the release: 24).

    Returns:
      The folder of the generator.
    """
    # Imported here: the process that runs torch alone shall not hold jax.
    from audiogen_jax.checkpoints.dasheng_audiogen import audiogen_template, save_audiogen
    from audiogen_jax.checkpoints.dasheng_tokenizer import save_tokenizer, tokenizer_template
    from audiogen_jax.checkpoints.t5 import save_t5, t5_template
    from audiogen_jax.models.audiogen.config import AudioGenConfig
    from audiogen_jax.models.dasheng.config import TokenizerConfig
    from audiogen_jax.models.t5.config import T5Config

    text, tokenizer = f"text_encoder_{text_layers}", "tokenizer"
    generator = folder / f"generator_{depth}_{text_layers}"
    if not (folder / text / "config.json").is_file():
        config = T5Config(num_layers=text_layers)
        save_t5(folder / text, config, _random(t5_template(config)))
    if not (folder / tokenizer / "config.json").is_file():
        config = TokenizerConfig()
        save_tokenizer(folder / tokenizer, config, _random(tokenizer_template(config)))
    if not (generator / "config.json").is_file():
        config = AudioGenConfig(
            dit_depth=depth, text_encoder_name=f"../{text}", tokenizer_name=f"../{tokenizer}"
        )
        save_audiogen(generator, config, _random(audiogen_template(config)))
    return generator


def parameter_bytes(generator: Path) -> dict[str, int]:
    """Bytes of the three parts that the release loads, in float32: the sizes of their files."""
    import json

    values = json.loads((generator / "config.json").read_text())
    folders = {
        "generator": generator,
        "text_encoder": generator / values["text_encoder_name"],
        "tokenizer": generator / values["tokenizer_name"],
    }
    return {k: (folder / "model.safetensors").stat().st_size for k, folder in folders.items()}


def _random(template: dict) -> dict:
    """No layer is left at a start that would switch it off; activations stay of order one."""
    import jax

    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        value = rng.standard_normal(leaf.shape, np.float32)
        value *= np.float32(1.0 if path[0].key == "token_embed" else 0.02)
        if path[-1].key in ("scale", "var"):
            value += 1
        return value

    return jax.tree_util.tree_map_with_path(draw, template)
