"""Rows of manifests and prompt files to what a clip is made from."""

from collections.abc import Mapping
from pathlib import Path

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.remote import join, local_copy
from audiogen_jax.input.prompt_columns import EDITS, FILES
from audiogen_jax.models.prompting import Edit, PromptInputs, Sound


def read_inputs(
    columns: Mapping[str, str], caption: StructuredCaption | None, folder: Path
) -> PromptInputs:
    """What a clip is made from; the files that its columns name are read.

    Args:
      columns: of a row, from `text_columns`.
      caption: of the row; an edit is described by its own columns.
      folder: that names of files are relative to.

    Raises:
      OSError, ValueError: a file that cannot be read, or columns that do not go together.
    """
    paths = {name: local_copy(join(folder, columns[name])) for name in FILES if name in columns}
    sounds = {name: _sound(path) for name, path in paths.items() if name != "video"}
    if edits := [name for name in EDITS if name in columns]:
        if missing := [name for name in EDITS[:3] if name not in columns]:
            raise ValueError(f"columns {edits} of an edit without {missing}")
        edit = Edit(columns["edit"], columns["what"], sounds["source"], columns.get("to"))
        given = {name: value for name, value in columns.items() if name not in EDITS}
        if given:
            raise ValueError(f"an edit stands alone: {sorted(given)} do not go with it")
        return PromptInputs(edit=edit)
    return PromptInputs(
        caption,
        transcript=columns.get("transcript"),
        voice=sounds.get("voice"),
        voice_text=columns.get("voice_text"),
        audio=sounds.get("audio"),
        video=paths.get("video"),
    )


def _sound(path: Path) -> Sound:
    read = read_audio(path, None, None)
    return Sound(read.samples, read.sample_rate)
