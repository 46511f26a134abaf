"""Where weights are: the embedded nano model, a folder, or a repository of the Hugging Face hub."""

from pathlib import Path

from audiogen_jax.checkpoints.config_file import has_config
from audiogen_jax.checkpoints.hub import HUB_NAME, download
from audiogen_jax.files.remote import is_remote, local_copy

NANO = Path(__file__).parent.parent / "nano"
"""Folder of the embedded model, part of the package."""


def find_checkpoint(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a checkpoint.

    A hub repository is downloaded to the hub's cache, or found there (see `hub`); a folder in an
    object store to ours (see `files.remote`).

    Args:
      source: "nano" for the embedded model, a folder with config.json and weights, or the name of
        a hub repository such as "mispeech/Dasheng-AudioGen".
      revision: branch, tag or commit of the repository.

    Raises:
      ValueError: there is no such checkpoint, or the hub cannot be reached and has not been.
    """
    folder = NANO if str(source) == "nano" else Path(source)
    if is_remote(source):
        folder = local_copy(source)
    if not folder.is_dir() and HUB_NAME.fullmatch(str(source)):
        return download(str(source), revision)
    if revision is not None:
        raise ValueError(f"revision={revision!r} is for hub repositories; {source} is none")
    if has_config(folder):
        return folder
    if folder.is_dir():
        raise ValueError(f"checkpoint folder {folder} holds no config.json")
    raise ValueError(
        f"no checkpoint {str(source)!r}: expected 'nano', a folder in Hugging Face layout "
        "(config.json, model.safetensors) or the name of a hub repository (owner/name)"
    )


def find_component(folder: Path, field: str, name: str) -> Path:
    """The folder of a checkpoint that another one names in its config.json.

    Args:
      folder: the checkpoint whose config.json was read.
      field: the field of its config.json, for the error.
      name: the field's value, a path relative to `folder` or the name of a hub repository.

    Raises:
      ValueError: there is no checkpoint at that path or of that name.
    """
    component = folder / name
    if has_config(component):
        return component
    try:
        if HUB_NAME.fullmatch(name):
            return find_checkpoint(name)
        reason = "no checkpoint folder beside it, nor the name of a hub repository"
    except ValueError as error:
        reason = f"no checkpoint folder beside it, and on the hub: {error}"
    raise ValueError(f"{folder / 'config.json'}: {field}={name!r} is {reason}")
