"""Which published data models name a user attribute."""

from apps.accounts.usage import register_attribute_use
from apps.datamodels.models import DataModel
from apps.datamodels.selectors import current_version
from apps.governance.blast_radius.candidates import attributes_of, published


def models_naming(attribute: str) -> list[str]:
    """Return the published data models of the tenant whose rules name the attribute, in words."""
    found = []
    for data_model in DataModel.objects.order_by("name"):
        version = current_version(data_model)
        if version is not None and attribute in attributes_of(published(version)):
            found.append(f"data model {data_model.name}")
    return found


register_attribute_use(models_naming)
