"""Stage (c) on disk: the weights that generator training starts from, and what it exports."""

import dataclasses
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from audiogen_jax.checkpoints.adapters import ADAPTERS, save_adapters
from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen, save_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import TokenizerCheckpoint
from audiogen_jax.checkpoints.encoder_hash import encoder_sha256
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5, save_t5
from audiogen_jax.files.atomic import staging_folder
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.train.objectives.flow_matching import FlowStep
from audiogen_jax.train.samples import sample_prompts
from audiogen_jax.train.state import Batch, Objective, TrainState
from audiogen_jax.types import Latents, Params


def flow_matching(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of `config.model` on the latents of the tokenizer at `config.tokenizer`.

    Args:
      config: seed, steps, tokenizer, text_encoder, init, model, data, time_sampling,
        duration_weight, ema_decay, optimizer, dtype, remat, accumulate, gradient_dtype, guard,
        lora.
      open_data: not needed here.

    Raises:
      ValueError: `config.tokenizer` is not set or has latents of another width, or a checkpoint is
        not of `config.model`.
    """
    if not config.tokenizer:
        raise ValueError(
            "tokenizer is empty: expected a tokenizer's folder, such as the export of its stage "
            "(--set tokenizer=WORKDIR/export)"
        )
    if config.lora.rank and not config.init:
        raise ValueError("lora.rank is set but init is empty: adapters need a generator to adapt")
    tokenizer = TokenizerCheckpoint(CheckpointFolder(config.tokenizer))
    model = AudioGenConfig(**config.model.audiogen)
    text = T5Config(**config.model.text_encoder)
    if model.latent_dim != tokenizer.config.embed_dim:
        raise ValueError(
            f"model.audiogen.latent_dim={model.latent_dim} must be the width of the latents "
            f"of {config.tokenizer}, {tokenizer.config.embed_dim}"
        )
    flow = FlowStep(config, model, text, tokenizer.config, config.remat)
    start = load_generator(config, model, text)
    frozen: dict[str, Params] = {name: start[name] for name in flow.frozen_shapes()}
    encoder = tokenizer.read(DashengCodec.encoder)
    if "manifests" in config.data:  # audio, to be encoded in the step
        frozen["tokenizer"] = encoder

    def prepare(state: TrainState) -> TrainState:
        if not config.init or config.lora.rank:
            return state
        params = {name: start[name] for name in state.params}
        return state.replace(params=params, ema=jax.tree.map(np.copy, params))

    def export(trained: Params, folder: Path) -> None:
        whole = jax.tree.map(np.asarray, flow.assemble(trained, frozen))
        save_audiogen(folder, model, whole["audiogen"])
        save_t5(folder / model.text_encoder_name, text, whole["text_encoder"])
        if "adapters" in trained:
            save_adapters(folder / ADAPTERS, trained["adapters"], flow.adapter_scale)
        _copy(Path(config.tokenizer), folder / model.tokenizer_name)
        shutil.copyfile(config.data.text_tokenizer, folder / "tokenizer.json")

    def sample(state: TrainState, batch: Batch, frozen: Params) -> Array:
        assert state.ema is not None
        key = jax.random.key(config.eval.seed)
        return sample_prompts(flow, flow.assemble(state.ema, frozen), batch, key)

    def decode(latents: Latents) -> tuple[np.ndarray, int]:
        params = {"params": tokenizer.read(DashengCodec.decoder)}
        audio = DashengTokenizer(tokenizer.config).apply(params, latents, method="decode")
        return np.asarray(audio), model.sample_rate

    step = flow.step
    plain_step = dataclasses.replace(flow, remat="").step
    return Objective(
        init_state=flow.init_state,
        prepare=prepare,
        axes=flow.axes,
        frozen=frozen,
        step_at=lambda _: step,
        evaluate=jax.jit(flow.evaluate),
        exported=lambda state: state.ema,
        export=export,
        sample=jax.jit(sample),
        decode=decode,
        plain_step_at=(lambda _: plain_step) if config.remat else None,
        facts={"tokenizer": encoder_sha256(DashengCodec(tokenizer.config), encoder)},
    )


def load_generator(config: Any, model: AudioGenConfig, text: T5Config) -> dict[str, Params]:
    """The parameters that a config names, on the host: of `init`, and of `text_encoder`.

    Raises:
      ValueError: a checkpoint is of other sizes than the config.
    """
    found: dict[str, Params] = {}
    folders = {}
    if config.init:
        folders["text_encoder"] = Path(config.init) / model.text_encoder_name
        kind, found["audiogen"] = load_audiogen(CheckpointFolder(config.init))
        _check_same(config.init, kind, model)
    if config.text_encoder:
        folders["text_encoder"] = Path(config.text_encoder)
    for name, folder in folders.items():
        kind, found[name] = load_t5(CheckpointFolder(folder))
        _check_same(folder, kind, text)
    return found


def _check_same(folder: str | Path, found: Any, expected: Any) -> None:
    """Compares two configurations, field by field."""
    differences = [
        f"{field.name} is {there!r}, here {here!r}"
        for field in dataclasses.fields(expected)
        if (there := getattr(found, field.name)) != (here := getattr(expected, field.name))
    ]
    if differences:
        raise ValueError(f"{folder} is of another size than config.model: {differences}")


def _copy(source: Path, target: Path) -> None:
    """Copies a checkpoint's files, once: they never change during a training."""
    if not target.exists():
        with staging_folder(target.parent) as staging:
            shutil.copytree(source, staging / target.name).rename(target)
