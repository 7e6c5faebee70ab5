"""Admin pages of data models: versions, drafts, files with problems at their line; data sets and who may query them."""

from apps.datamodels.admin import data_models, datasets

__all__ = ["data_models", "datasets"]
