"""Paths in object stores (gs://, s3://, memory:// and what else fsspec knows): read here alone.

Store names look like folders to pathlib, which would make a local one called "gs:". What takes a
path calls `parse_path` where it can work in a store, `local_copy` where it reads and needs local
files, and `require_local` where it cannot.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import fsspec
    from upath import UPath

_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(?=[^/])(.+)", re.DOTALL)
_KNOWN = ("gs", "gcs", "s3", "memory", "az", "abfs", "hf", "http", "https")
"""Schemes that are recognised with one slash too: `Path("gs://a/b")` is `gs:/a/b`."""
_NEEDS = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(path: object) -> bool:
    """Whether a path is one of an object store."""
    return _split(path) is not None


def parse_path(path: str | os.PathLike[str]) -> Path:
    """A path, local or of an object store.

    Args:
      path: "folder/file", or "gs://bucket/folder/file" and the like.

    Returns:
      What behaves as a `pathlib.Path`; of a store it is a `upath.UPath`, which `os.fspath` refuses.

    Raises:
      ValueError: nothing is known of its scheme, or a package for it is missing.
    """
    if hasattr(path, "fs"):  # parsed before
        return cast(Path, path)
    parts = _split(path)
    if parts is None:
        return Path(str(path).removeprefix("file://"))
    import fsspec
    from upath import UPath

    scheme, rest = parts
    url = f"{scheme}://{rest}"
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError as error:
        raise ValueError(f"{url}: no object store is known as {scheme}://") from error
    except ImportError as error:
        package = _NEEDS.get(scheme, "fsspec")
        raise ValueError(
            f"{url}: {scheme}:// needs the package {package}: pip install {package}"
        ) from error
    return cast(Path, UPath(url))


@contextlib.contextmanager
def store_errors(path: object) -> Iterator[None]:
    """Names the path in what a store raises, and makes an OSError of it: stores raise many kinds.

    Raises:
      OSError: of the block, or of the store; a FileNotFoundError stays one.
      ValueError: of the block.
    """
    try:
        yield
    except Exception as error:
        if not is_remote(path) or (
            isinstance(error, ValueError | OSError) and str(path) in str(error)
        ):
            raise
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else OSError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"{path}: {reason}") from error


def join(folder: Path, name: str) -> Path:
    """The path that a file in a folder names: relative to the folder, absolute, or of a store."""
    if is_remote(name):
        return parse_path(name)
    return Path(name) if Path(name).is_absolute() else folder / name


def require_local(path: str | os.PathLike[str], what: str) -> Path:
    """A local path.

    Args:
      path: what was asked for.
      what: cannot be in an object store, for the error.

    Raises:
      ValueError: it is of a store.
    """
    if parts := _split(path):
        raise ValueError(
            f"{parts[0]}://{parts[1]}: {what} must be on a local or mounted file system (gcsfuse, "
            "Mountpoint for S3): write there and copy it afterwards"
        )
    return Path(path)


def in_store(path: Path) -> tuple["fsspec.AbstractFileSystem", str]:
    """The store of a remote path of `parse_path`, and its name there."""
    url = cast("UPath", path)
    return url.fs, url.path.rstrip("/")


def local_copy(path: str | os.PathLike[str]) -> Path:
    """A file or a folder as local files.

    What is in a store is downloaded to `cache_folder`, under a name made of its URL and of what the
    store says of its contents: once, until it changes.

    Raises:
      ValueError: see `parse_path`.
      FileNotFoundError: nothing is there.
      OSError: it cannot be read, or the disk is too small.
    """
    source = parse_path(path)
    if not is_remote(source):
        return source
    with store_errors(source):
        return _download(source)


def _download(source: Path) -> Path:
    store, root = in_store(source)
    files = {in_store(entry)[1]: entry for entry in _files(source)}
    described = "".join(f"{name} {store.ukey(name)}\n" for name in sorted(files))
    key = hashlib.sha256(f"{source}\n{described}".encode()).hexdigest()[:20]
    target = cache_folder() / "remote" / key / source.name
    if target.exists():
        return target
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(entry.stat().st_size for entry in files.values())
    if needed > (free := shutil.disk_usage(target.parent.parent).free):
        raise OSError(
            f"{source}: {needed / 1e9:.1f} GB to download, {free / 1e9:.1f} GB free in "
            f"{cache_folder()}: set XDG_CACHE_HOME to a larger disk, or mount the store"
        )
    with tempfile.TemporaryDirectory(dir=target.parent.parent, prefix=".partial-") as folder:
        whole = Path(folder) / "whole"
        for name in files:
            copy = whole / source.name / name[len(root) :].strip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(name, str(copy))
        try:
            whole.rename(target.parent)
        except OSError:  # another process was faster
            if not target.exists():
                raise
    return target


def cache_folder() -> Path:
    """Where downloads and compiled programs are kept: `$XDG_CACHE_HOME` or ~/.cache."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # an unknown user without HOME
        base = Path(tempfile.gettempdir())
    return base / "audiogen_jax"


def _files(source: Path) -> list[Path]:
    """The file at a path of a store, or all files below it."""
    if source.is_file():
        return [source]
    files = [path for path in source.rglob("*") if path.is_file()]
    if not files:
        raise FileNotFoundError(f"nothing at {source}")
    return files


def _split(path: object) -> tuple[str, str] | None:
    """Scheme and rest of a URL; None of a local path."""
    text = str(path)
    match = _URL.fullmatch(text)
    if match is None:
        return None
    scheme, slashes, rest = match.groups()
    if slashes != "//" and scheme not in _KNOWN:
        return None
    return (scheme, rest) if scheme != "file" else None
