"""Policies tested as code: ``*.access_test.yaml`` beside the model. See ``docs/how-to/test-policies.md``."""
