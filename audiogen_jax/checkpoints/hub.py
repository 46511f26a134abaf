"""Repositories of the Hugging Face hub, downloaded to its cache or found there.

The environment decides the rest, as for every program that uses the hub: HF_HOME, HF_TOKEN,
HF_HUB_OFFLINE, HF_ENDPOINT.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from audiogen_jax.checkpoints.config_file import CONFIG, has_config
from audiogen_jax.checkpoints.releases import about

HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FILES = ("*.json", "*.safetensors", "*.model", "merges.txt")
_OF_TORCH = ("*.ckpt", "*.pth")
"""Read where a release, which has no config.json, has its weights in no other format."""
# The hub's own account that offers old checkpoints, mT5 among them, as safetensors.
_CONVERTER = "SFconvertbot"


def download(name: str, revision: str | None = None) -> Path:
    """The folder of a repository in the hub's cache, with all files that a checkpoint is made of.

    Where the main branch has pickled weights alone, the pull request with which the hub converted
    them is taken, as transformers does.

    Args:
      name: owner/name.
      revision: branch, tag, commit or pull request (refs/pr/1).

    Raises:
      ValueError: there is no such repository, it may not be read, it is no checkpoint, or the hub
        cannot be reached and has not been.
    """
    at = name if revision is None else f"{name} at revision {revision!r}"
    folder = _snapshot(name, revision, at)
    if (folder / CONFIG).is_file() and _has_weights(folder):
        return folder
    if has_config(folder) and not (folder / CONFIG).is_file():
        return _snapshot(name, revision, at, (*_FILES, *_OF_TORCH))
    if constants.HF_HUB_OFFLINE and any((folder.parent.parent / "blobs").glob("*.incomplete")):
        raise ValueError(
            f"the download of {at} was cut short: only a part of it is in the cache "
            f"({constants.HF_HUB_CACHE}); unset HF_HUB_OFFLINE and run again to download the rest"
        )
    if not (folder / CONFIG).is_file():
        raise ValueError(f"hub repository {at} holds no config.json")
    pull_request = _conversion(name) if revision is None else None
    if pull_request is not None:
        converted = _snapshot(name, pull_request, f"{name} at revision {pull_request!r}")
        if _has_weights(converted):
            return converted
    raise ValueError(
        f"hub repository {at} holds no safetensors: save the model with save_pretrained of "
        "transformers and give the folder"
    )


def download_files(name: str, patterns: Iterable[str]) -> Path:
    """The folder in the hub's cache of some files of a repository, and of those it had before.

    Args:
      name: owner/name.
      patterns: names of the files.

    Raises:
      ValueError: as `download`.
    """
    return _snapshot(name, None, name, tuple(patterns))


def cached(name: str) -> Path | None:
    """The folder of a repository if it has been downloaded, None if not."""
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    return folder if (folder / "config.json").is_file() and _has_weights(folder) else None


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))


def _conversion(name: str) -> str | None:
    try:
        for discussion in HfApi().get_repo_discussions(
            name, author=_CONVERTER, discussion_type="pull_request"
        ):
            if discussion.status != "closed" and "safetensors" in discussion.title:
                return discussion.git_reference
        return None
    except Exception:  # no connection: what an earlier run downloaded
        repository = Path(constants.HF_HUB_CACHE) / repo_folder_name(
            repo_id=name, repo_type="model"
        )
        references = sorted(repository.glob("refs/refs/pr/*"))
        return f"refs/pr/{references[-1].name}" if references else None


def _snapshot(name: str, revision: str | None, at: str, patterns: tuple[str, ...] = _FILES) -> Path:
    if constants.HF_HUB_CACHE.startswith("~"):
        raise ValueError(
            f"{at} cannot be looked up: there is no home folder, set HF_HOME to another"
        )
    known = at.replace(name, about(name))
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except LocalEntryNotFoundError as error:
        raise ValueError(
            f"{known} is not in the cache ({constants.HF_HUB_CACHE}), or not all of it, and the "
            "hub cannot be reached: check the connection and HF_HUB_OFFLINE, or give a folder, as "
            "none is at this path"
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
    except Exception as error:  # of the storage and of several network libraries
        raise ValueError(
            f"{known} could not be downloaded: {type(error).__name__}: {error}"
        ) from error
