"""Two who save the same at the same time: one does, the other reads why not, in the form that was filled in."""

import threading
import time

from django.db import connection, transaction

from apps.accounts.models import User, UserGroup
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn

ADD = "/admin/accounts/usergroup/add/"
PARTS = ("memberships", "attribute_values")
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


def test_who_comes_second_reads_it_where_the_name_was_typed(acme: TenantRef, ada: User, signed_in: SignedIn) -> None:
    client = signed_in(ada)
    written, seen = threading.Event(), []

    def save_the_same() -> None:
        with bound(acme.id), transaction.atomic():
            UserGroup.objects.create(name="Sales")
            written.set()
            deadline = time.monotonic() + 30
            with connection.cursor() as cursor:
                while not seen and time.monotonic() < deadline:
                    cursor.execute(WAITING)
                    seen.extend(row for row in cursor.fetchall() if row[0])
        connection.close()

    other = threading.Thread(target=save_the_same)
    other.start()
    assert written.wait(30)
    parts = {f"{part}-{name}": "0" for part in PARTS for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    with unbound():
        told = client.post(ADD, {"name": "Sales", **parts})
    other.join()
    assert seen, "the second did not wait for the first"
    assert told.status_code == 200
    assert "There is a group of this name already." in told.content.decode()
    assert UserGroup.objects.filter(name="Sales").count() == 1
    with unbound():
        assert client.post(ADD, {"name": "Support", **parts}).status_code == 302
