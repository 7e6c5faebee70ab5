"""Who waits for an answer while their rights go does not get it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.installation import Installation, until
from tests.faults.test_faults import is_at_the_source

SHUT_OUT = "UPDATE accounts_user SET is_active = %s::boolean WHERE email = 'ada@acme.example' RETURNING id"


def test_who_is_shut_out_while_they_wait_gets_no_answer(busy_house: Installation) -> None:
    house = busy_house

    def asked(number: int, meanwhile: Callable[[], object]) -> int:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(house.ask, "acme", "Nap", number, is_async=False)
            until(lambda: is_at_the_source(house), "the source works")
            meanwhile()
            return waiting.result()[0]

    assert asked(70, lambda: None) == 200
    try:
        assert asked(71, lambda: house.rows(SHUT_OUT, "false")) == 404  # as of what there is not
        assert house.ask("acme", "Tick", 1, is_async=False)[0] == 401
    finally:
        house.rows(SHUT_OUT, "true")
    assert house.ask("acme", "Tick", 1, is_async=False)[0] == 200
