"""Configurations of others: every field has a range, unknown ones are refused or noted."""

import dataclasses
import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.t5.config import T5Config

KINDS = (AudioGenConfig, TokenizerConfig, T5Config)
FIELDS = [
    (kind, field.name)
    for kind in KINDS
    for field in dataclasses.fields(kind)
    if not isinstance(field.default, str | tuple | bool) and field.name not in kind.DERIVED
]
NO_SIZE = [0, -1, -(10**9), 10**9, 10**400, True, None, "4", [4], {}, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[f"{k.__name__}.{f}" for k, f in FIELDS])
def test_what_no_size_can_be(kind, field):
    """Every number has a limit; those that may be 0 say so by their range."""
    may_be_zero = isinstance(getattr(kind, field), float) or "sola" in field
    for value in NO_SIZE[may_be_zero and "epsilon" not in field :]:
        with pytest.raises(ValueError) as caught:
            kind.from_hf({field: value})
        message = str(caught.value)
        assert kind.__name__ in message and field in message
        assert len(message) < 500 and "\n" not in message


@given(
    kind=st.sampled_from(KINDS),
    data=st.data(),
    value=st.integers() | st.floats() | st.integers(2**16, 2**70) | st.text(max_size=5) | st.none(),
)
def test_any_value_makes_a_model_of_bounded_size_or_none(kind, data, value):
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(kind)]))
    try:
        config = kind.from_hf({field: value})
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return
    for name, size in vars(config).items():
        if isinstance(size, int | float):
            assert math.isfinite(size) and abs(size) <= 2**22, name


@pytest.mark.parametrize("config", [kind() for kind in KINDS], ids=lambda c: type(c).__name__)
def test_the_published_sizes_are_well_within(config):
    assert type(config).from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TokenizerConfig, {"hop_length": 320, "istft_hop": 640}),  # the code has 160
        (TokenizerConfig, {"istft_n_fft": 1000}),
        (TokenizerConfig, {"istft_n_fft": 320}),
        (TokenizerConfig, {"num_heads": 7}),
        (AudioGenConfig, {"adapter_num_heads": 3}),
        (AudioGenConfig, {"sample_rate": 44100}),  # 68.9 frames per second
        (AudioGenConfig, {"duration_predictor_kernel_size": 4}),
        (AudioGenConfig, {"dit_mlp_ratio": 1e-9}),
        (AudioGenConfig, {"special_tokens": [""]}),
        (AudioGenConfig, {"special_tokens": ["x"] * 5000}),
        (T5Config, {"relative_attention_num_buckets": 30}),
        (T5Config, {"relative_attention_max_distance": 8}),
    ],
)
def test_sizes_that_do_not_fit_each_other(kind, fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        kind.from_hf(fields)


# As transformers 5 writes T5EncoderModel.save_pretrained, and a whole T5 of version 4.
SAVED = {
    "architectures": ["T5EncoderModel"],
    "bos_token_id": None,
    "classifier_dropout": 0.0,
    "d_ff": 2816,
    "decoder_start_token_id": 0,
    "dense_act_fn": "gelu_new",
    "dropout_rate": 0.1,
    "dtype": "float32",
    "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu",
    "initializer_factor": 1.0,
    "is_decoder": False,
    "is_encoder_decoder": True,
    "is_gated_act": True,
    "model_type": "t5",
    "num_decoder_layers": 24,
    "output_past": True,
    "pad_token_id": 0,
    "scale_decoder_outputs": False,
    "tie_word_embeddings": False,
    "tokenizer_class": "T5Tokenizer",
    "transformers_version": "5.24.0",
    "use_cache": True,
    "add_cross_attention": False,
    "chunk_size_feed_forward": 0,
    "id2label": {"0": "LABEL_0"},
    "pruned_heads": {},
    "temperature": 1.0,
    "_name_or_path": "google/flan-t5-large",
}


def test_what_transformers_saves():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert T5Config.from_hf(SAVED) == T5Config()


@pytest.mark.parametrize(
    "field", [{"new_thing": None}, {"new_thing": []}, {"_attn_implementation_autoset": True}]
)
def test_unknown_fields_that_set_nothing_are_noted(field):
    with pytest.warns(UserWarning, match=f"set nothing are ignored.*{next(iter(field))}") as noted:
        assert T5Config.from_hf(SAVED | field) == T5Config()
    assert len(noted) == 1


@pytest.mark.parametrize(
    "field",
    [
        {"is_decoder": True},
        {"is_gated_act": False},
        {"pruned_heads": {"0": [1]}},
        {"add_cross_attention": True},
        {"feed_forward_proj": "relu"},
        {"dense_act_fn": "gelu"},
        {"rope_theta": 1e4},
        {"use_bias": False},  # its default may be True
        {"quantization_config": {"bits": 4}},
    ],
)
def test_fields_that_change_the_numbers_are_refused_by_name(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        T5Config.from_hf(SAVED | field)


def test_many_unknown_fields_make_one_short_line():
    with pytest.raises(ValueError, match="and 9980 more") as caught:
        T5Config.from_hf({f"{i}{'x' * 1000}": 1 for i in range(10_000)})
    assert len(str(caught.value)) < 5000
