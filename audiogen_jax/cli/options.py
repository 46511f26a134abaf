"""Options that several commands share; many are made from the fields of a dataclass."""

import dataclasses
import functools
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.infer.options import SamplingOptions, Sharding

if TYPE_CHECKING:
    from audiogen_jax.jobs.job import Share

_Options = TypeVar("_Options", SamplingOptions, Delivery, Marking)
Checkpoint = Annotated[
    str, typer.Option(help="'nano' (embedded), a folder in Hugging Face layout or a hub name.")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")]
Dtype = Annotated[str, typer.Option(help="Of the computation: float32 or bfloat16.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that exist; otherwise they are an error.")
]
ShareText = Annotated[
    str | None,
    typer.Option("--share", help="I/N, I from 0: this process's share of the work of N."),
]
ShardText = Annotated[str | None, typer.Option("--shard", hidden=True)]
"""The name of `--share` in version 0.1."""
Distributed = Annotated[
    bool,
    typer.Option(help="One of several processes: the share is what SLURM, MPI, JAX_* or TPUs say."),
]
ShardingOption = Annotated[
    Sharding,
    typer.Option(
        help="Of the weights over the local devices: each holds all (dp), or they are cut (fsdp, "
        "tensor) because they do not fit one."
    ),
]
ParamDtype = Annotated[str, typer.Option(help="Of the weights in memory: float32 or bfloat16.")]


@dataclasses.dataclass(frozen=True)
class _Spelling:
    """How a field is written on the command line where that is not the way of its type.

    Attributes:
      type: that typer reads.
      metavar: the form, for the help.
      read: what typer read to the field's value.
      write: the field's default to that of the option.
    """

    type: Any  # typer takes any annotation
    metavar: str
    read: Callable[[Any], object] = lambda text: text
    write: Callable[[Any], str | None] = lambda value: None


def sampling_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command an option for each field of `SamplingOptions`.

    Args:
      command: takes them together as its parameter `options`.
    """
    return _options_of(command, SamplingOptions, "options", "Sampling", _SPELLINGS)


def delivery_options(command: Callable[..., None]) -> Callable[..., None]:
    """As `sampling_options`, for `Delivery` as the parameter `delivery`."""
    return _options_of(command, Delivery, "delivery", "Delivery")


def marking_options(command: Callable[..., None]) -> Callable[..., None]:
    """As `sampling_options`, for `Marking` as the parameter `marking`."""
    return _options_of(command, Marking, "marking", "What made it")


def _options_of(
    command: Callable[..., None],
    cls: type[_Options],
    parameter: str,
    panel: str,
    spellings: Mapping[str, _Spelling] = types.MappingProxyType({}),
) -> Callable[..., None]:
    """Gives a command, in the place of a parameter, an option for each field of its class."""
    signature, fields = inspect.signature(command), dataclasses.fields(cls)  # type: ignore[arg-type]
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in signature.parameters.values()
        if each.name != parameter
    ]
    parameters += _parameters(cls, panel, spellings)

    @functools.wraps(command)
    def with_options(**arguments: Any) -> None:
        values = {field.name: arguments.pop(field.name) for field in fields}
        for name, spelling in spellings.items():
            values[name] = spelling.read(values[name])
        command(**arguments, **{parameter: cls(**values)})

    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _parameters(
    cls: type, panel: str, spellings: Mapping[str, _Spelling]
) -> list[inspect.Parameter]:
    """One for each field, as typer reads them."""
    hints, helps = get_type_hints(cls), attribute_docs(cls)
    parameters = []
    for field in dataclasses.fields(cls):
        name, default = field.name, field.default
        option = functools.partial(
            typer.Option, help=helps[name], rich_help_panel=panel, show_choices=True
        )
        annotation = Annotated[hints[name], option()]
        if spelling := spellings.get(name):
            default = spelling.write(field.default)
            annotation = Annotated[spelling.type, option(metavar=spelling.metavar)]
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
        )
    return parameters


def attribute_docs(cls: type) -> dict[str, str]:
    """What the docstring of a class says of its attributes, each as a sentence."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", section, re.MULTILINE)
    texts = {name: " ".join(text.split()) for name, text in entries}
    return {name: text[0].upper() + text[1:] for name, text in texts.items()}


def read_share(share: str | None, shard: str | None, distributed: bool = False) -> "Share | None":
    """The share of a job that `--share`, its old name or `--distributed` gives; None if none does.

    Raises:
      ValueError: it is not I/N, two are given, or nobody says which process this is.
    """
    from audiogen_jax.jobs.job import Share

    if distributed:
        if share is not None or shard is not None:
            raise ValueError("--share and --distributed: give one of them")
        from audiogen_jax.sharding.distributed import launched_process

        return Share(*launched_process())
    if share is not None and shard is not None:
        raise ValueError("--shard is the old name of --share: give --share alone")
    text = share or shard
    return None if text is None else Share.parse(text)


def read_interval(text: str, option: str) -> tuple[float, float]:
    """Reads "LOW:HIGH", two numbers.

    Raises:
      ValueError: it is something else; the option is named.
    """
    try:
        low, high = (float(number) for number in text.split(":"))
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected two numbers, such as 0:1") from None
    return low, high


def _read_views(texts: Sequence[str] | None) -> dict[str, float]:
    scales = {}
    for text in texts or ():
        view, _, scale = text.partition("=")
        try:
            scales[view] = float(scale)
        except ValueError:
            raise ValueError(f"--view-guidance {text!r}: expected VIEW=SCALE") from None
    return scales


_SPELLINGS = {
    "negative": _Spelling(str | None, "TAGGED STRING"),
    "view_guidance": _Spelling(list[str] | None, "VIEW=SCALE...", _read_views),
    "guidance_interval": _Spelling(
        str,
        "LOW:HIGH",
        functools.partial(read_interval, option="--guidance-interval"),
        lambda interval: "{:g}:{:g}".format(*interval),
    ),
}
