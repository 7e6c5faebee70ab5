"""How often somebody may try, counted in Redis per tenant and subject: nobody's attempts use up anybody else's.

Limits keep the service usable; they guard no data. When Redis is away requests go on, and the log says so.
"""

import hashlib
import logging
import math
import time
from functools import cache
from typing import Literal
from uuid import UUID

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

logger = logging.getLogger(__name__)
What = Literal["sign_in", "person", "failed_token", "recovery", "api", "scim"]
PATIENCE_S = 0.25


@cache
def _limiter(url: str) -> SlidingWindowCounterRateLimiter:
    storage = RedisStorage(
        url.replace("unix://", "redis+unix://", 1), key_prefix="omni-rates", wrap_exceptions=True,
        socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S,
    )  # fmt: skip
    return SlidingWindowCounterRateLimiter(storage)


@cache
def _item(text: str) -> RateLimitItem:
    return parse(text)


def hit(what: What, tenant_id: UUID, subject: str) -> int:
    """Count one attempt; return 0 when it is within the limit, else the seconds after which to try again.

    ``subject`` is an address, a person's id or a digest: it never leaves this installation.
    """
    item = _item(settings.OMNI_RATES[what])
    key = hashlib.sha256(f"{tenant_id} {subject}".encode()).hexdigest()[:32]
    try:
        limiter = _limiter(settings.OMNI_REDIS_URL)
        if limiter.hit(item, what, key):
            return 0
        return max(1, math.ceil(limiter.get_window_stats(item, what, key).reset_time - time.time()))
    except StorageError as error:
        logger.warning("rate limits are not counted at the moment: %s", type(error.storage_error).__name__)
        return 0
