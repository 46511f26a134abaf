"""The base of model configurations: frozen dataclasses named like the fields of HF `config.json`.

`from_hf` accepts the released files, refuses fields that select a variant this
project does not build, and names every field it does not know.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Self

# Written by the HF libraries or meaningful to torch alone; never change an output.
_BOOKKEEPING = frozenset(
    "architectures auto_map dtype torch_dtype transformers_version model_type use_cache "
    "_name_or_path is_encoder_decoder pad_token_id eos_token_id decoder_start_token_id "
    "tie_word_embeddings tie_encoder_decoder output_past task_specific_params "
    "num_decoder_layers initializer_factor classifier_dropout dropout_rate n_positions "
    "tokenizer_class scale_decoder_outputs bos_token_id is_gated_act gradient_checkpointing "
    "output_attentions output_hidden_states return_dict".split()
)


def _like(default: object, value: object) -> bool:
    """Is a value of config.json of the type of a field's default?"""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


@dataclasses.dataclass(frozen=True)
class HFConfig:
    """Reads and writes a dataclass as the contents of a `config.json`."""

    MODEL_TYPE: ClassVar[str]
    FIXED: ClassVar[Mapping[str, object]] = {}  # field -> the only value that is built
    # Fields that a release's config.json does not have: `to_hf` leaves them out.
    DERIVED: ClassVar[Mapping[str, type]] = {}

    @classmethod
    def from_hf(cls, values: Mapping[str, object]) -> Self:
        """Builds the dataclass from the contents of a HF `config.json`.

        Raises:
          ValueError: a field is unknown, of another type, or selects a variant that is not built.
        """
        fields = dataclasses.fields(cls)
        defaults = {field.name: field.default for field in fields if field.name not in cls.DERIVED}
        accepted, unknown, unbuilt, wrong = {}, [], [], []
        for name, value in values.items():
            if name in cls.FIXED:
                if value != cls.FIXED[name]:
                    unbuilt.append(f"{name}={value!r} (only {cls.FIXED[name]!r})")
            elif name in defaults:
                if not _like(defaults[name], value):
                    wrong.append(f"{name}={value!r} (expected one like {defaults[name]!r})")
                accepted[name] = tuple(value) if isinstance(value, list) else value
            elif name in cls.DERIVED:
                if not isinstance(value, cls.DERIVED[name]):
                    wrong.append(f"{name}={value!r} (expected {cls.DERIVED[name].__name__})")
                accepted[name] = value
            elif name not in _BOOKKEEPING:
                unknown.append(name)
        if wrong:
            raise ValueError(f"{cls.__name__}: fields of another type: {wrong}")
        if unknown or unbuilt:
            raise ValueError(
                f"{cls.__name__}: unknown fields {sorted(unknown)}; "
                f"variants that are not built: {unbuilt}. "
                f"Known fields: {sorted(set(defaults) | set(cls.FIXED))}"
            )
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
