"""Statements that leave for the database together.

psycopg's pipeline sends each statement when it is executed, and looks for answers each time: the server wakes up for
each, and both sides ask the kernel several times. Ours keeps what is to be sent until an answer is wanted.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, Pipeline
from psycopg.generators import send


class Message(Pipeline):
    """A pipeline whose statements are sent once it ends, or once somebody wants the rows of one."""

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        yield from ()

    def _exit_gen(self) -> Generator[Any, Any, None]:
        yield from self._sync_gen()

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:
        while self.command_queue:
            self.command_queue.popleft()()
        yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)


@contextmanager
def one_message(connection: "Connection[Any]") -> Iterator[None]:
    """Send the statements of the block together; within another pipeline they go with that."""
    if connection._pipeline is None:  # psycopg has no public way to a pipeline of another kind
        connection._pipeline = Message(connection)
    with connection.pipeline():
        yield
