"""Eight CPU devices, full float32 matmuls, a compile cache and checked annotations, before all."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest
import tokenizers

from tests import annotations, cheaper

annotations.install()
cheaper.install()

# No test may wait for a network: hub names are found in a cache or refused.
os.environ["HF_HUB_OFFLINE"] = "1"

# Threads of BLAS spin while they wait: those of one worker would take the core of another. Workers
# inherit it; it is read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Programs run on tiny shapes: most of the time is LLVM's, and half of that is optimisation.
# Cut in 32 pieces, as they are by default, they take a third longer.
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
FLAGS += " --xla_cpu_parallel_codegen_split_count=1"
if jax.__version_info__ < (0, 11):  # later ones know no other emitters
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip()

# Among the millions of small objects of traces and programs, looking for cycles is a tenth of all.
gc.set_threshold(20_000, 20, 20)

CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_default_matmul_precision", "highest")
# Nothing here reads where in our files each operation of a program comes from.
jax.config.update("jax_traceback_in_locations_limit", 0)
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

# First calls compile, so a deadline per example would measure XLA; derandomised to be repeatable.
hypothesis.settings.register_profile(
    "audiogen", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("audiogen")


COMPILING = ("train", "jobs", "infer", "parity", "models", "second", "docs", "cli", "checkpoints")
"""Folders whose tests take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of these folders come first: none of them is left alone with a worker at the end."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in COMPILING)


def pytest_collection_finish() -> None:
    """What is there by now stays: garbage is looked for among what comes after."""
    gc.freeze()


@pytest.fixture
def empty_store(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """URL -> the folder that it names, empty; downloads go to a cache of the test."""
    from audiogen_jax.files.remote import parse_path

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def empty(url: str) -> Path:
        folder = parse_path(url)
        if folder.exists():
            folder.fs.rm(folder.path, recursive=True)
        return folder

    return empty


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A generator folder in Hugging Face layout: a few random channels, about one second long."""
    from audiogen_jax.checkpoints.dasheng_audiogen import save_audiogen
    from audiogen_jax.checkpoints.dasheng_tokenizer import save_tokenizer
    from audiogen_jax.checkpoints.t5 import save_t5
    from audiogen_jax.models.audiogen.config import AudioGenConfig
    from audiogen_jax.models.audiogen.generator import DashengAudioGen
    from audiogen_jax.models.dasheng.config import TokenizerConfig
    from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
    from audiogen_jax.models.t5.config import T5Config

    tokenizer_config = TokenizerConfig(
        embed_dim=16,
        depth=1,
        num_heads=2,
        decoder_embed_dim=16,
        decoder_depth=1,
        decoder_intermediate_size=32,
    )
    t5_config = T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    config = AudioGenConfig(
        latent_dim=16,
        content_dim=16,
        task_instruction_dim=16,
        instruction_seq_len=1,
        adapter_num_heads=2,
        duration_predictor_filter_channels=8,
        duration_predictor_n_layers=1,
        dit_embed_dim=32,
        dit_depth=2,
        dit_num_heads=2,
        dit_mlp_ratio=1.0,
        dit_in_chans=16,
        dit_out_chans=16,
        dit_context_dim=16,
        dit_ta_context_dim=16,
        text_encoder_name="text_encoder",
        tokenizer_name="tokenizer",
        tokenizer_max_length=128,
    )
    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        """Random, so that no block is the identity that training starts from; not compiled."""
        ones = path[-1].key in ("scale", "var", "gamma")
        width = 0.1 if ones or len(leaf.shape) < 2 else 0.7 * leaf.shape[-2] ** -0.5
        return (ones + rng.normal(0, width, leaf.shape)).astype(np.float32)

    shapes = jax.eval_shape(DashengAudioGen(config, t5_config).init, jax.random.key(0))
    params = jax.tree_util.tree_map_with_path(draw, shapes)
    one_second = np.log(1.0 + config.duration_offset)
    duration = params["audiogen"]["content_adapter"]["duration_fc2"]
    duration["kernel"] *= 0.1
    duration["bias"][:] = one_second
    audio = np.zeros((1, 16000), np.float32)
    shapes = jax.eval_shape(DashengTokenizer(tokenizer_config).init, jax.random.key(1), audio)[
        "params"
    ]
    tokenizer_params = jax.tree_util.tree_map_with_path(draw, shapes)

    folder = tmp_path_factory.mktemp("checkpoint")
    save_audiogen(folder, config, params["audiogen"])
    save_t5(folder / "text_encoder", t5_config, params["text_encoder"])
    save_tokenizer(folder / "tokenizer", tokenizer_config, tokenizer_params)
    text = tokenizers.Tokenizer(tokenizers.models.BPE())
    text.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>"], initial_alphabet=alphabet
    )
    text.train_from_iterator(["a dog barks in the rain"], trainer)
    text.save(str(folder / "tokenizer.json"))
    return folder
