"""The broker's transport for Redis, which lets a worker live through the loss of its broker.

Work that ends while the connection is gone is acknowledged on a channel that is closed. kombu (5.7) then fails with an
``AttributeError``, which no worker survives; here it is the connection error that it stands for, and the worker waits and
connects again. The message is delivered once more, which finds nothing to do.
"""

from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport.redis import Transport as RedisTransport
from redis.exceptions import ConnectionError as NotConnectedError


class Channel(kombu_redis.Channel):
    """A channel that says of itself when it is closed."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise NotConnectedError("the connection to the broker is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # missing in the stubs


class Transport(RedisTransport):
    Channel = Channel
