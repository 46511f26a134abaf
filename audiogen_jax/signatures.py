"""Functions that take the fields of a dataclass one by one, as the command line and agents do."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar, get_type_hints

_Result = TypeVar("_Result")


class DocumentedField(NamedTuple):
    """A field of a dataclass.

    Attributes:
      name: of the field.
      type: of it.
      default: of it.
      text: what the docstring of the class says of it, as a sentence.
    """

    name: str
    type: object
    default: object
    text: str


def documented_fields(cls: type) -> Iterator[DocumentedField]:
    """The fields of a dataclass, in their order."""
    hints, texts = get_type_hints(cls), attribute_docs(cls)
    for field in dataclasses.fields(cls):
        yield DocumentedField(field.name, hints[field.name], field.default, texts[field.name])


def attribute_docs(cls: type) -> dict[str, str]:
    """What the docstring of a class says of its attributes, each as a sentence."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", section, re.MULTILINE)
    texts = {name: " ".join(text.split()) for name, text in entries}
    return {name: text[0].upper() + text[1:] for name, text in texts.items()}


def by_fields(
    function: Callable[..., _Result],
    parameter: str,
    fields: list[inspect.Parameter],
    make: Callable[..., object],
) -> Callable[..., _Result]:
    """A function that takes others, by their names, in the place of a parameter.

    Args:
      function: takes everything by name.
      parameter: of it.
      fields: taken in its place.
      make: what becomes of these, by their names.
    """
    signature = inspect.signature(function)
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in signature.parameters.values()
        if each.name != parameter
    ]
    parameters += fields

    @functools.wraps(function)
    def with_fields(**arguments: object) -> _Result:
        values = {field.name: arguments.pop(field.name, field.default) for field in fields}
        return function(**arguments, **{parameter: make(**values)})

    with_fields.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_fields.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_fields
