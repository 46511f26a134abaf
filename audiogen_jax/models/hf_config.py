"""The base of model configurations: frozen dataclasses named like the fields of HF `config.json`.

`from_hf` accepts the released files, refuses fields that select a variant this project does not
build, and names every field it does not know. Sizes are bounded by their annotations, far above
any model there is: a file of others can ask for no more than its own tensors then confirm.
"""

import dataclasses
import functools
import reprlib
import typing
import warnings
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Self, TypeAlias

from audiogen_jax.types import Range

Width: TypeAlias = Annotated[int, Range(1, 2**16)]
Rate: TypeAlias = Annotated[int, Range(1, 2**20)]
"""Hz, samples or frames."""
SmallCount: TypeAlias = Annotated[int, Range(1, 1024)]
"""Of layers, bins, taps: what a loop goes over."""
Fraction: TypeAlias = Annotated[float, Range(0, 1)]
Factor: TypeAlias = Annotated[float, Range(0, 1e6)]

# Written by the HF libraries and meaningful to torch, to training, to decoders or to the choice of
# a token alone: whatever their values, they never change an output here.
_BOOKKEEPING = frozenset(
    "architectures auto_map attn_implementation bad_words_ids begin_suppress_tokens bos_token_id "
    "chunk_size_feed_forward classifier_dropout cross_attention_hidden_size decoder_start_token_id "
    "diversity_penalty do_sample dropout_rate dtype early_stopping encoder_no_repeat_ngram_size "
    "eos_token_id exponential_decay_length_penalty finetuning_task forced_bos_token_id "
    "forced_eos_token_id gradient_checkpointing id2label initializer_factor is_encoder_decoder "
    "label2id length_penalty max_length min_length model_type n_positions no_repeat_ngram_size "
    "num_beam_groups num_beams num_decoder_layers num_return_sequences output_attentions "
    "output_hidden_states output_past output_scores pad_token_id prefix problem_type "
    "remove_invalid_values repetition_penalty return_dict return_dict_in_generate "
    "scale_decoder_outputs sep_token_id suppress_tokens task_specific_params temperature "
    "tf_legacy_loss tie_encoder_decoder tie_word_embeddings tokenizer_class top_k top_p "
    "torch_dtype torchscript transformers_version typical_p use_bfloat16 use_cache".split()
)


@dataclasses.dataclass(frozen=True)
class HFConfig:
    """Reads and writes a dataclass as the contents of a `config.json`."""

    MODEL_TYPE: ClassVar[str]
    FIXED: ClassVar[Mapping[str, object]] = {}  # field -> the only value that is built
    # The same for fields that are not written, as their absence says it.
    IMPLIED: ClassVar[Mapping[str, object]] = {}
    # Fields that a release's config.json does not have: `to_hf` leaves them out.
    DERIVED: ClassVar[Mapping[str, type]] = {}
    # Fields of the release that change no output: of training, of limits, said twice.
    IGNORED: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self):
        self._check(vars(self))

    @classmethod
    def _check(cls, values: Mapping[str, object]) -> None:
        wrong = []
        for field in dataclasses.fields(cls):
            value = values.get(field.name, field.default)
            given, range_ = f"{field.name}={reprlib.repr(value)}", _ranges(cls).get(field.name)
            if not _like(field.default, value, cls.DERIVED.get(field.name)):
                wrong.append(f"{given} (expected one like {field.default!r})")
            elif range_ and not all(number in range_ for number in _numbers(value)):
                wrong.append(f"{given} (expected {range_})")
        if wrong:
            raise ValueError(f"{cls.__name__}: values that no model has: {wrong}")

    @classmethod
    def from_hf(cls, values: Mapping[str, object]) -> Self:
        """Builds the dataclass from the contents of a HF `config.json`.

        Fields that are not known are ignored, with a note, where they can change no number: those
        that are null or empty, and those of the library's own, which begin with an underscore.

        Raises:
          ValueError: a field is unknown, of another type, out of range, or selects a variant that
            is not built.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        only = {**cls.FIXED, **cls.IMPLIED}
        accepted, ignored, unknown, unbuilt = {}, [], [], []
        for name, value in values.items():
            if name in only:
                if value != only[name] or type(value) is not type(only[name]):
                    unbuilt.append(f"{name}={reprlib.repr(value)} (only {only[name]!r})")
            elif name in known:
                accepted[name] = tuple(value) if isinstance(value, list) else value
            elif name.startswith("_") or value is None or value in ([], {}, ""):
                ignored.append(name)
            elif name not in _BOOKKEEPING | cls.IGNORED:
                unknown.append(name)
        if unknown or unbuilt:
            raise ValueError(
                f"{cls.__name__}: unknown fields {_some(unknown)}; "
                f"variants that are not built: {_some(unbuilt)}. "
                f"Known fields: {sorted(known | only.keys())}"
            )
        if ignored := set(ignored) - _BOOKKEEPING - cls.IGNORED - {"_name_or_path"}:
            warnings.warn(
                f"{cls.__name__}: fields of config.json that are not known and set nothing are "
                f"ignored: {_some(ignored)}",
                stacklevel=2,
            )
        cls._check(accepted)
        return cls(**accepted)

    def to_hf(self, derived: bool = False) -> dict[str, object]:
        """The contents of the HF `config.json` for this configuration.

        Args:
          derived: with the fields of `DERIVED`, where no tensor of the release says them.
        """
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if derived or name not in self.DERIVED
        }
        return {"model_type": self.MODEL_TYPE, **self.FIXED, **values}


@functools.cache
def _ranges(kind: type[HFConfig]) -> dict[str, Range]:
    """Field -> what its annotation allows."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {
        name: note
        for name, hint in hints.items()
        for note in getattr(hint, "__metadata__", ())
        if isinstance(note, Range)
    }


def _numbers(value: object) -> list[int | float]:
    """The numbers of a value: of a tuple, those in it."""
    items = value if isinstance(value, tuple) else (value,)
    return [item for item in items if isinstance(item, int | float)]


def _like(default: object, value: object, derived: type | None) -> bool:
    """Is a value of config.json of the type of a field's default?"""
    if derived is not None:
        return value is None or type(value) is derived
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str
        return isinstance(value, tuple) and all(type(item) is kind for item in value)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def _some(names: Iterable[str], most: int = 20) -> list[str]:
    """The first names, shortened: a file of others may have any number, of any length."""
    first = [name if len(name) < 100 else f"{name[:100]}…" for name in sorted(names)]
    return first if len(first) <= most else [*first[:most], f"and {len(first) - most} more"]
