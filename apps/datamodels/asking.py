"""What the commands share: find a model and its versions by name and number, or say in one line what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from apps.datamodels.errors import PublishRefusedError, VersionError
from apps.datamodels.models import DataModel, ModelVersion
from apps.datamodels.selectors import version_by_number
from apps.semantic.errors import ModelError


def model_named(name: str) -> DataModel:
    """Return the bound tenant's model.

    Raises:
        CommandError: there is none of this name.
    """
    found = DataModel.objects.select_related("connection").filter(name=name).first()
    if found is None:
        raise CommandError(f"no model {name!r}")
    return found


def version_numbered(data_model: DataModel, number: int) -> ModelVersion:
    """Return a version that was not discarded.

    Raises:
        CommandError: there is none of this number.
    """
    found = version_by_number(data_model, number)
    if found is None or found.discarded_at is not None:
        raise CommandError(f"{data_model} has no version {number}")
    return found


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turn what stands against an action into plain lines.

    Raises:
        CommandError: instead of what the block raised.
    """
    try:
        yield
    except (VersionError, ModelError) as error:
        raise CommandError(str(error)) from None
    except ValidationError as error:
        raise CommandError("; ".join(error.messages)) from None
    except PublishRefusedError as error:
        raise CommandError("not published:\n" + "\n".join(f"- {text}" for text in error.objections)) from None
