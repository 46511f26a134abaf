"""Where weights stand on disk: the embedded nano model, or a folder in Hugging Face layout."""

from pathlib import Path

NANO = Path(__file__).parent.parent / "nano"
"""Folder of the embedded model, part of the package."""


def find_checkpoint(source: str | Path) -> Path:
    """The folder of a checkpoint.

    Args:
      source: "nano" for the embedded model, or a folder with config.json and model.safetensors.

    Raises:
      ValueError: neither.
    """
    folder = NANO if str(source) == "nano" else Path(source)
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise ValueError(f"checkpoint folder {folder} holds no config.json")
    raise ValueError(
        f"no checkpoint {str(source)!r}: expected 'nano' or a folder in Hugging Face layout "
        "(config.json, model.safetensors); download a hub repository to a folder first"
    )


def find_part(folder: Path, field: str, name: str) -> Path:
    """The folder of a checkpoint that another one names in its config.json.

    Args:
      folder: the checkpoint whose config.json was read.
      field: the field of its config.json, for the error.
      name: the field's value, a path relative to `folder`.

    Raises:
      ValueError: there is no checkpoint at that path.
    """
    part = folder / name
    if not (part / "config.json").is_file():
        raise ValueError(
            f"{folder / 'config.json'}: {field}={name!r} is no checkpoint folder beside it; put "
            f"the checkpoint in {folder} and set {field} to its relative path"
        )
    return part
