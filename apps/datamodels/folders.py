"""Read and write folders of model files."""

from pathlib import Path

from django.core.management.base import CommandError

MAX_FILES = 5_000
MAX_FILE_BYTES = 1_000_000
SUFFIXES = (".yaml", ".yml", ".view", ".topic", ".composite_topic", ".access_test")
PLAIN_NAMES = ("model", "relationships")


def read_folder(folder: Path) -> dict[str, str]:
    """Return path → content of the model files below a folder; links out of it are not followed.

    Raises:
        CommandError: the folder cannot be read, or holds too much.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    root = folder.resolve()
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        is_model_file = path.suffix in SUFFIXES or path.name in PLAIN_NAMES
        if not path.is_file() or not is_model_file or not path.resolve().is_relative_to(root):
            continue
        name = path.relative_to(root).as_posix()
        if len(found) >= MAX_FILES or path.stat().st_size > MAX_FILE_BYTES:
            raise CommandError(f"{name}: too many files, or a file over {MAX_FILE_BYTES} bytes")
        try:
            found[name] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise CommandError(f"{name}:1:1: not UTF-8 text") from None
    if not found:
        raise CommandError(f"{folder} holds no model files (*.yaml)")
    return found


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder, each inside it."""
    root = folder.resolve()
    for name, content in files.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise CommandError(f"{name} lies outside the folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8"))
