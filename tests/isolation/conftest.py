"""The two houses are built once for all tests of a file."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from tests.isolation.houses import World, world
from tests.isolation.ledger import Ledger


@pytest.fixture(scope="module")
def houses(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[World]:
    """Both houses. Limits of rates are out of reach: a 429 would hide what an address says (they have tests of their own)."""
    rates = dict.fromkeys(settings.OMNI_RATES, "1000000/minute")
    with override_settings(OMNI_RATES=rates), django_db_blocker.unblock(), world() as made:  # type: ignore[attr-defined]  # a fixture of pytest-django without a type
        yield made


@pytest.fixture(scope="module")
def ledger(houses: World) -> Iterator[Ledger]:
    found = Ledger()
    yield found
    found.close()
