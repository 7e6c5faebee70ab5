"""Whose turn it is, with a real worker: counted in runs that were begun, not in seconds."""

import os

from tests.faults.installation import Installation, until

ORDER = """SELECT t.slug, r.id FROM queries_queryrun r JOIN tenants_tenant t ON t.id = r.tenant_id
 WHERE r.started_at IS NOT NULL ORDER BY r.started_at"""
ABREAST = """SELECT max(c) FROM (SELECT (SELECT count(*) FROM queries_queryrun b WHERE b.tenant_id = a.tenant_id
   AND b.started_at <= a.started_at AND coalesce(b.finished_at, now()) > a.started_at) AS c
   FROM queries_queryrun a JOIN tenants_tenant t ON t.id = a.tenant_id WHERE t.slug = %s AND a.started_at IS NOT NULL) x"""

FLOOD = int(os.environ.get("FAULTS_FLOOD", "60"))


def test_one_tenants_flood_keeps_nobody_else_waiting(busy_house: Installation) -> None:
    house = busy_house
    flood = [house.queue("acme", "Tick", n) for n in range(FLOOD)]
    until(lambda: len(house.rows(ORDER)) >= 8, "the flood is being worked on")
    before = len(house.rows(ORDER))
    mine = house.queue("globex", "Tick", 1)
    assert house.until_state(mine, "done")[0] == "done"
    begun = [str(run) for _, run in house.rows(ORDER)]
    assert begun.index(mine) <= before + 4  # at most what was begun meanwhile on the other slots
    assert len(begun) < FLOOD  # the flood was not over
    assert house.run(flood[-1])[0] == "queued"
    until(lambda: house.rows(ABREAST, "acme")[0][0] >= 3, "three runs of the flood were at work together")
    assert house.rows(ABREAST, "acme")[0][0] == 3  # one slot of four stays free for whoever has nothing running
    assert house.rows("SELECT count(*) FROM queries_queryrun WHERE attempts > 1") == [(0,)]
