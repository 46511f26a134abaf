"""Options that several commands share; many are made from the fields of a dataclass."""

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.infer.options import SamplingOptions, Sharding
from audiogen_jax.signatures import by_fields, documented_fields

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

    def made(**values: object) -> _Options:
        for name, spelling in spellings.items():
            values[name] = spelling.read(values[name])
        return cls(**values)  # pyright: ignore[reportArgumentType]

    return by_fields(command, parameter, _parameters(cls, panel, spellings), made)


def _parameters(
    cls: type, panel: str, spellings: Mapping[str, _Spelling]
) -> list[inspect.Parameter]:
    """One for each field, as typer reads them."""
    parameters = []
    for name, hint, default, text in documented_fields(cls):
        option = functools.partial(
            typer.Option, help=text, rich_help_panel=panel, show_choices=True
        )
        annotation = Annotated[hint, option()]
        if spelling := spellings.get(name):
            default = spelling.write(default)
            annotation = Annotated[spelling.type, option(metavar=spelling.metavar)]
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
        )
    return parameters


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
