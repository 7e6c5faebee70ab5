"""What changes the houses: the owners' own writes, and what is over once a session or a visit has been ended."""

from django.test import Client

from apps.access.selectors import actor_for_user
from apps.accounts.services import end_sessions
from apps.audit.types import SYSTEM
from apps.support.services import revoke_request
from apps.tenants.binding import bound
from tests.isolation.houses import World
from tests.isolation.ledger import Ledger, changed
from tests.isolation.specimens import Specimen, specimens
from tests.isolation.test_matrix import METHODS, REFUSED, SESSION, call, caller_of


def expected_of(specimen: Specimen, method: str) -> int | None:
    """Return what the owner is answered to a write, None where the specimen says nothing of it."""
    if method in ("put", "patch"):
        return 200 if specimen.document(method) else None
    return specimen.delete if method == "delete" else specimen.post if specimen.get else None


def test_the_owners_own_writes_do_what_the_specimens_say(houses: World) -> None:
    """The same bodies that changed nothing in others' hands change something in the right ones; deletions come last."""
    wrong = []
    for method in ("post", "put", "patch", "delete"):
        for route, specimen in specimens("omni.urls.tenant").items():
            expected = expected_of(specimen, method)
            if expected is None:
                continue
            client, headers = caller_of(houses.acme, specimen)
            answer = call(client, method, route, specimen, houses.acme, headers)
            if answer.status_code != expected:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}, expected {expected}")
    assert not wrong, "\n".join(wrong)


def test_a_support_visit_that_the_customer_ended_reaches_nothing(houses: World, ledger: Ledger) -> None:
    house = houses.globex
    visitor = house.browsers["visitor"]
    assert visitor.get("/").status_code == 200
    held = {name: morsel.value for name, morsel in visitor.cookies.items()}
    with bound(house.tenant.id):
        revoke_request(house.support_request, by=actor_for_user(house.people["ada"]), now=house.now)
    wrong, before = [], ledger.read()
    for route, specimen in specimens("omni.urls.tenant").items():
        if specimen.is_open:
            continue
        for method in METHODS:
            client = Client(headers={"host": house.tenant.host})
            client.cookies.load(held)
            answer = call(client, method, route, specimen, house, {})
            allowed = (302, 401, 403) if method == "get" else REFUSED | {302}
            if answer.status_code not in allowed:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    traces = changed(before, ledger.read(), houses.acme, houses.globex, houses.platform)
    assert traces <= {SESSION}  # which is ended with the visit


def test_a_session_that_was_ended_is_nobodys(houses: World) -> None:
    client = houses.globex.browser("ann")
    assert client.get("/trust/").status_code == 200
    with bound(houses.globex.tenant.id):
        end_sessions(houses.globex.people["ann"], by=SYSTEM, now=houses.globex.now)
    assert client.get("/trust/").status_code == 302
