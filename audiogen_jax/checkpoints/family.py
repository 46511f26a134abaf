"""What is said of a family of models, so that its checkpoints are read, built and written."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.mapping import Put
from audiogen_jax.checkpoints.releases import Release
from audiogen_jax.models.hf_config import HFConfig
from audiogen_jax.models.language_model import LanguageModel, TextReader
from audiogen_jax.models.prompting import PromptReader, ReadsAhead
from audiogen_jax.models.protocols import AudioCodec, Generator
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import Params, Tokens

_Codec = TypeVar("_Codec", bound=AudioCodec)
_Generator = TypeVar("_Generator", bound=Generator)
_Config = TypeVar("_Config", bound=HFConfig)


@dataclass(frozen=True)
class LoadedCodec:
    """An audio codec on disk, checked; its parameters are read when asked for.

    Attributes:
      folder: of the checkpoint.
      codec: the model.
      read: (top-level names of parameters, put) -> those parameters.
    """

    folder: Path
    codec: AudioCodec
    read: Callable[[Collection[str], Put], Params]


class Tokenize(Protocol):
    """Texts -> tokens, with the times of timelines if the generator takes any."""

    def __call__(self, texts: list[str], timelines: Sequence[Timeline] = ..., /) -> Tokens: ...


@dataclass(frozen=True)
class LoadedLanguageModel:
    """A model that answers questions, with its text tokenizer.

    Attributes:
      folder: of the checkpoint.
      model: the model.
      params: its parameters.
      reader: of its texts.
      stop_ids: tokens that end an answer.
    """

    folder: Path
    model: LanguageModel
    params: Params
    reader: TextReader
    stop_ids: tuple[int, ...]


@dataclass(frozen=True)
class LoadedGenerator:
    """A generator with everything that it names.

    Attributes:
      folders: of the checkpoint, and of those that it names: all that decides what it makes.
      generator: the model.
      params: its parameters.
      codec: of its latents.
      tokenize: texts -> tokens padded to `generator.max_tokens`; reads its files on the first call.
      lost_views: a tagged string -> those of its views that are cut off as it has more tokens.
      language: what answers questions, where the generator has such a part.
      reader: reads more than captions, where the generator takes more.
    """

    folders: tuple[Path, ...]
    generator: Generator
    params: Params
    codec: LoadedCodec
    tokenize: Tokenize
    lost_views: Callable[[str], tuple[str, ...]] = lambda text: ()
    language: LoadedLanguageModel | None = None
    reader: PromptReader | None = None


@dataclass(frozen=True)
class CodecFamily(Generic[_Codec]):
    """How codecs of one kind are read and written.

    Attributes:
      open: (checkpoint, dtype of the computation, dtype of the parameters) -> the codec.
      save: (folder, codec, parameters) writes what `open` reads.
    """

    open: Callable[[CheckpointFolder, DTypeLike, DTypeLike], LoadedCodec]
    save: Callable[[Path, _Codec, Params], None]


@dataclass(frozen=True)
class LanguageModelFamily:
    """How models of one kind that answer questions are read.

    Attributes:
      load: (checkpoint, dtype of the computation, dtype of the parameters, put) -> the model.
      releases: published checkpoints, by the names of their hub repositories.
    """

    load: Callable[[CheckpointFolder, DTypeLike, DTypeLike, Put], LoadedLanguageModel]
    releases: Mapping[str, Release] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedPrompts:
    """What reads the prompts of a dataset before a training.

    Attributes:
      generator: the model, of which the frozen parts are used.
      params: theirs.
      reader: of inputs.
    """

    generator: ReadsAhead
    params: Params
    reader: PromptReader


@dataclass(frozen=True)
class PromptFamily:
    """How prompts are read before a training.

    Attributes:
      load: (checkpoint of a generator or its encoder, dtype of the computation, put) -> the reader.
      sha256: checkpoint -> one hash over all that decides what is stored of a prompt.
      companions: checkpoint -> by their names in an export, the files and folders that a trained
        generator needs of it.
    """

    load: Callable[[CheckpointFolder, DTypeLike, Put], LoadedPrompts]
    sha256: Callable[[CheckpointFolder], str]
    companions: Callable[[CheckpointFolder], Mapping[str, Path]]


@dataclass(frozen=True)
class GeneratorFamily(Generic[_Generator]):
    """How generators of one kind are built, read and written.

    Attributes:
      make: sizes as in the `model` of a training config, with "dtype" and "remat" -> the model.
      load: (checkpoint, dtype of the computation, dtype of the parameters, put, for sampling or
        training) -> the generator.
      save: (folder, generator, parameters) writes what `load` reads, but for the codec.
      sizes: checkpoint -> what `make` needs to build the same generator.
      text_tokenizer: checkpoint of a generator or of its encoder -> the file of the text tokenizer.
      start: (generator, checkpoint of one or None, of its encoder or None) -> by their names, the
        parameters on the host that a training starts from; a generator stands for its encoder.
      codec_field: field of config.json that names the codec.
      default_codec: its value where config.json does not have it.
    """

    make: Callable[..., _Generator]
    load: Callable[[CheckpointFolder, DTypeLike, DTypeLike, Put, bool], LoadedGenerator]
    save: Callable[[Path, _Generator, Params], None]
    sizes: Callable[[CheckpointFolder], Mapping[str, object]]
    text_tokenizer: Callable[[CheckpointFolder], Path]
    start: Callable[
        [_Generator, CheckpointFolder | None, CheckpointFolder | None], dict[str, Params]
    ]
    codec_field: str
    default_codec: str


@dataclass(frozen=True)
class Component:
    """A checkpoint that another one names in its config.json.

    Attributes:
      folder: that it gets in a copy.
      kinds: what its own config.json may call it; none of them has components.
    """

    folder: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class FolderFamily(Generic[_Config]):
    """How one folder is read and written anew, whatever the checkpoints that it names.

    Attributes:
      load: (checkpoint, dtype) -> configuration, and parameters on the host.
      save: (folder, configuration, parameters, dtype, most bytes of a file) writes safetensors in
        the released layout.
      components: by the field of the configuration that names them.
    """

    load: Callable[[CheckpointFolder, DTypeLike], tuple[_Config, Params]]
    save: Callable[[Path, _Config, Params, DTypeLike, int | None], None]
    components: Mapping[str, Component] = field(default_factory=dict)
