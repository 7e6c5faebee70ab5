"""Errors of data models. Their texts are for the person who tried."""

from collections.abc import Iterable


class UnknownFileError(LookupError):
    """The model has no file of this name."""


class PublishRefusedError(Exception):
    """A gate stands against publishing; nothing has changed. ``objections`` are sentences for the person who tried."""

    def __init__(self, objections: tuple[str, ...]) -> None:
        super().__init__("\n".join(objections))
        self.objections = objections


class VersionError(Exception):
    """What was asked cannot be done with this version; nothing has changed."""


class NotADraftError(VersionError):
    """Published and discarded versions stay as they are."""

    def __init__(self) -> None:
        super().__init__("This version is not a draft any more, and stays as it is.")


class DraftChangedError(VersionError):
    """Somebody saved the draft after it was read."""

    def __init__(self, who: str) -> None:
        by = f" by {who}" if who else ""
        super().__init__(f"The draft was changed{by} after you opened it. Nothing was saved; look at it again.")


class FileRefusedError(VersionError):
    """The file's name or its content cannot be kept."""


class StaleDraftError(VersionError):
    """Another version was published after the draft began."""

    def __init__(self, base: int | None, current: int | None) -> None:
        began = f"v{base}" if base is not None else "nothing"
        now = f"v{current}" if current is not None else "no version"
        super().__init__(
            f"The draft began with {began}, and {now} answers queries now. "
            "Take over what was published since, look at it, and publish then."
        )


class RebaseConflictError(VersionError):
    """Both sides changed the same files; ``paths`` names them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(
            f"The draft and the current version both changed {', '.join(self.paths)}. "
            "Choose for each of them whose content to keep."
        )


class SourceSilentError(VersionError):
    """The source could not be read; ``str()`` says why in general words."""


class CannotEditTextError(Exception):
    """A file is written in a way in which nothing can be added at that place."""
