"""`audiogen …`: the command line.

Bad input ends with exit code 2 and one line on stderr; outputs are whole or absent. Modules that
need jax are imported inside the commands, so that `--help` answers at once.
"""

import sys
import warnings
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from audiogen_jax.cli import (  # noqa: F401 (they add their commands)
    batch,
    convert,
    decode,
    edit,
    encode,
    encode_dataset,
    evaluate,
    generate,
    manifest,
    mcp,
    plan,
    reconstruct,
    refine,
    reproduce,
    serve,
    train,
    understand,
)
from audiogen_jax.cli.app import app
from audiogen_jax.cli.console import (
    accept_all_characters,
    avoid_deadlock,
    read_arguments,
    some_home,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; `arguments` defaults to those of the process."""
    accept_all_characters()
    avoid_deadlock()
    try:
        arguments = read_arguments(sys.argv[1:] if arguments is None else arguments)
        with some_home(), warnings.catch_warnings():
            warnings.showwarning = _warn
            code = app(arguments, prog_name="audiogen", standalone_mode=False)
    except TyperException as error:
        code = _refuse(error.format_message())
    except (ValueError, OSError) as error:
        code = _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code)


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    print("audiogen: warning:", " ".join(str(message).split()), file=sys.stderr)


def _refuse(message: str) -> int:
    if message:  # `audiogen` alone has shown the help already
        print("audiogen:", " ".join(message.split()), file=sys.stderr)
    return 2
