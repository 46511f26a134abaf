"""Where weights are: the embedded nano model, a folder, or a repository of the Hugging Face hub."""

import re
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

NANO = Path(__file__).parent.parent / "nano"
"""Folder of the embedded model, part of the package."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = ("*.json", "*.safetensors", "*.model")


def find_checkpoint(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a checkpoint.

    A hub repository is downloaded to the hub's cache, or found there. The environment decides the
    rest, as for every program that uses the hub: HF_HOME, HF_TOKEN, HF_HUB_OFFLINE.

    Args:
      source: "nano" for the embedded model, a folder with config.json and weights, or the name of
        a hub repository such as "mispeech/Dasheng-AudioGen".
      revision: branch, tag or commit of the repository.

    Raises:
      ValueError: there is no such checkpoint, or the hub cannot be reached and has not been.
    """
    folder = NANO if str(source) == "nano" else Path(source)
    if not folder.is_dir() and _HUB_NAME.fullmatch(str(source)):
        return _download(str(source), revision)
    if revision is not None:
        raise ValueError(f"revision={revision!r} is for hub repositories; {source} is none")
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise ValueError(f"checkpoint folder {folder} holds no config.json")
    raise ValueError(
        f"no checkpoint {str(source)!r}: expected 'nano', a folder in Hugging Face layout "
        "(config.json, model.safetensors) or the name of a hub repository (owner/name)"
    )


def find_part(folder: Path, field: str, name: str) -> Path:
    """The folder of a checkpoint that another one names in its config.json.

    Args:
      folder: the checkpoint whose config.json was read.
      field: the field of its config.json, for the error.
      name: the field's value, a path relative to `folder` or the name of a hub repository.

    Raises:
      ValueError: there is no checkpoint at that path or of that name.
    """
    part = folder / name
    if (part / "config.json").is_file():
        return part
    try:
        if _HUB_NAME.fullmatch(name):
            return find_checkpoint(name)
        reason = "no checkpoint folder beside it, nor the name of a hub repository"
    except ValueError as error:
        reason = f"no checkpoint folder beside it, and on the hub: {error}"
    raise ValueError(f"{folder / 'config.json'}: {field}={name!r} is {reason}")


def _download(name: str, revision: str | None) -> Path:
    at = name if revision is None else f"{name} at revision {revision!r}"
    try:
        folder = snapshot_download(name, revision=revision, allow_patterns=list(_FILES))
    except LocalEntryNotFoundError as error:
        raise ValueError(
            f"{at} is not in the cache ({constants.HF_HUB_CACHE}) and the hub "
            "cannot be reached: check the connection and HF_HUB_OFFLINE, or give a folder"
        ) from error
    except GatedRepoError as error:
        raise ValueError(
            f"{at} asks for consent: accept its terms on the hub and set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ValueError(f"{name} has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"no folder and no hub repository {name!r}; if it is private, set HF_TOKEN"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(f"{at} could not be downloaded: {error}") from error
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"hub repository {at} holds no config.json")
    return Path(folder)
