"""The line of waiting runs: whose turn it is, within the limits of connections and tenants. In Redis, ids only.

PostgreSQL holds the truth about every run; what is here can be lost and is put back from there (``recovering``). A run
that is begun holds a lease, which its worker renews. Between tenants the one with the fewest running runs is served
first, then the one that was served longest ago (of those never served, who asked first); within a tenant the order is
that of asking, where background runs stand back by a fixed time: they let the interactive ones go first and are never
overtaken for ever.
"""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from apps.connections.models import Connection
from apps.queries import line_scripts as scripts
from apps.queries.flights import WISH, client
from apps.tenants.binding import bound_tenant_id

SLOT_STAYS_MS = 120_000
"""for how long a worker process counts as there after it was last heard of"""
HAND_STAYS_MS = 6_000
"""for how long a hand counts as there after it last looked; one at rest looks every two seconds"""
RESERVED = 1
"""slots that only a tenant with nothing running may take, where there are three or more"""


class Priority(IntEnum):
    """Who goes first: a person who waits, or work that nobody looks at."""

    INTERACTIVE = 0
    BACKGROUND = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold on one run."""

    tenant_id: UUID
    connection: str
    run_id: UUID
    token: str
    is_unwanted: bool = False
    """whether somebody had wished, when it was taken, that the run be cancelled"""

    @property
    def member(self) -> str:
        return f"{self.tenant_id}|{self.connection}|{self.run_id}|{self.token}"


def lease_s() -> float:
    """Return for how many seconds a lease holds when its worker is silent."""
    return float(settings.OMNI_LEASE_S)


def renew_s() -> float:
    """Return after how many seconds a worker renews."""
    return lease_s() / 6


def _name(part: str) -> str:
    return f"omni:line:{part}"


def _call(text: str, *arguments: str | int) -> Any:
    return _script(text)(keys=[_name("")], args=[int(lease_s() * 1000), *arguments])


@cache
def _script(text: str) -> Any:
    return client().register_script(scripts.START + text)


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def own() -> str:
    """Return the name of the bound tenant's own line."""
    return _name(f"waiting:{bound_tenant_id()}")


def join(run_id: UUID, connection: Connection, priority: int, *, asked_at: datetime) -> bool:
    """Let a run of the bound tenant wait for its turn; one that waits already gets the place that is said now.

    Say whether hands have heard of it; otherwise somebody has to send a worker a message.
    """
    behind_s = settings.OMNI_BACKGROUND_BEHIND_S if priority == Priority.BACKGROUND else 0
    hands = _call(
        scripts.JOIN, str(bound_tenant_id()), f"{run_id}|{connection.pk}", int(asked_at.timestamp() * 1000),
        behind_s * 1000, str(connection.pk), connection.max_running,
    )  # fmt: skip
    return int(hands) > 0


def take(*, is_hand: bool = False) -> Lease | None:
    """Take the run whose turn it is, of whichever tenant, together with a lease; None when none may run now.

    A hand says with it that it is there and looks again soon.
    """
    token = uuid4().hex
    found = _call(
        scripts.TAKE, settings.OMNI_TENANT_RUNNING_MAX, token, _process(), SLOT_STAYS_MS, RESERVED,
        HAND_STAYS_MS if is_hand else 0, WISH,
    )  # fmt: skip
    if not found:
        return None
    tenant_id, connection, run_id = (part.decode() for part in found[:3])
    return Lease(UUID(tenant_id), connection, UUID(run_id), token, is_unwanted=bool(found[3]))


def hold(run_id: UUID) -> Lease:
    """Lease a run of the bound tenant that did not come through the line; no limit is asked."""
    lease = Lease(bound_tenant_id(), "-", run_id, uuid4().hex)
    return replace(lease, is_unwanted=bool(_call(scripts.HOLD, lease.member, f"{WISH}{run_id}")))


def renew(lease: Lease) -> bool:
    """Hold on to a run; False when another worker has it by now. A lease that was lost with Redis comes back."""
    return bool(_call(scripts.RENEW, lease.member, _process(), SLOT_STAYS_MS))


def leave(lease: Lease) -> None:
    """Give the slot back."""
    _call(scripts.LEAVE, lease.member)


def listen(wait_s: float) -> bool:
    """Wait for the bell that rings when a run begins to wait; one ring wakes one hand."""
    return client().blpop([_name("bell")], timeout=wait_s) is not None


def ring() -> None:
    """Wake a hand: there may be a run to take."""
    _call(scripts.RING)


def retire() -> None:
    """Say that this process's hand is gone, and pass on what it may have heard."""
    _call(scripts.RETIRE, _process())


def wanted() -> int:
    """Return how many workers might find something to do: all of them when anybody waits."""
    return int(_call(scripts.WANTED))


def withdraw(run_id: UUID, connection_id: UUID) -> None:
    """Take a run of the bound tenant out of the line."""
    client().zrem(own(), f"{run_id}|{connection_id}")


def position(run_id: UUID, connection_id: UUID) -> int | None:
    """Return the place of a waiting run among its tenant's own, from 1; None when it does not wait."""
    rank: Any = client().zrank(own(), f"{run_id}|{connection_id}")
    return None if rank is None else int(rank) + 1


def leased() -> frozenset[UUID]:
    """Return the runs that some worker holds now, of all tenants."""
    return frozenset(UUID(run.decode()) for run in _call(scripts.LEASED))


def lost() -> dict[UUID, set[UUID]]:
    """Return the runs whose leases have ended without a word, by tenant."""
    found: dict[UUID, set[UUID]] = {}
    for member in _call(scripts.LOST):
        tenant_id, _, run_id = member.decode().partition("|")
        found.setdefault(UUID(tenant_id), set()).add(UUID(run_id))
    return found


def lose(lease: Lease) -> None:
    """Say that a run was dropped in the middle, so that it is looked after soon."""
    client().sadd(_name("lost"), f"{lease.tenant_id}|{lease.run_id}")
    client().expire(_name("lost"), 86_400)


def looked_after(tenant_id: UUID, run_ids: Iterable[UUID]) -> None:
    """Forget lost runs that were seen to."""
    members = [f"{tenant_id}|{run_id}" for run_id in run_ids]
    if members:
        client().srem(_name("lost"), *members)


def may_ask_to_look(pause_s: int = 10) -> bool:
    """Say whether somebody who polls should send for the one who looks after lost runs; once in a while is enough."""
    return bool(client().set(_name("asked"), 1, nx=True, ex=pause_s))
