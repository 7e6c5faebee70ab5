"""Host names and request targets as a real gunicorn takes them, byte by byte: each means one tenant, or is refused.

What a proxy in front and the application behind it could read differently (two hosts, a host in the target, a path in a
header) must not be answered: one of them would decide about another tenant, or another page, than the other.
"""

from collections.abc import Iterator

import pytest

from tests.isolation.houses import CANARY, World
from tests.isolation.wire import exchange, gunicorn, statuses

ACME, GLOBEX = "acme.localhost", "globex.localhost"
TOLD = CANARY.encode()


@pytest.fixture(scope="module")
def port(houses: World) -> Iterator[int]:
    with gunicorn() as found:
        yield found


def request(line: str, *headers: str, cookie: str = "", is_last: bool = True) -> bytes:
    """Return a request as it goes over the wire."""
    more = [
        *headers,
        *([f"Cookie: omni_session={cookie}"] if cookie else []),
        *(["Connection: close"] if is_last else []),
    ]
    return "\r\n".join([line, *more, "", ""]).encode("latin-1")


@pytest.fixture
def ann(houses: World) -> str:
    """The cookie of Acme's Ann, for whom Acme's start page holds the canary."""
    return houses.acme.browsers["ann"].cookies["omni_session"].value


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("GET / HTTP/1.1", ACME), ("GET / HTTP/1.0", ACME), ("GET / HTTP/1.1", f"{ACME}:8000"), ("GET / HTTP/1.1", "ACME.LocalHost"),
        (f"GET http://{ACME}/ HTTP/1.1", ACME), ("GET HTTP://ACME.localhost/ HTTP/1.1", ACME), (f"GET http://{ACME}:8000/ HTTP/1.1", f"{ACME}:8000"),
    ],
)  # fmt: skip
def test_one_name_is_that_tenants(port: int, ann: str, line: str, host: str) -> None:
    answer = exchange(port, request(line, f"Host: {host}", cookie=ann))
    assert statuses(answer) == [200]
    assert TOLD in answer


@pytest.mark.parametrize(
    "headers",
    [
        (f"Host: {ACME}", f"Host: {GLOBEX}"), (f"Host: {GLOBEX}", f"Host: {ACME}"), (f"Host: {ACME}", f"Host: {ACME}"),
        (f"Host: {ACME}", f"hOST: {GLOBEX}"), (f"Host: {ACME},{GLOBEX}",), (), ("Host:",), (f"Host : {ACME}",),
        (f"Host: {ACME}\r\n {GLOBEX}",), (f"X: y\r\n Host: {GLOBEX}", f"Host: {ACME}"), (f"Host: {ACME}\0{GLOBEX}",),
        (f"Host: {GLOBEX}\rHost: {ACME}",), (f"Host: {GLOBEX}\nHost: {ACME}",), (f"Host: {ACME}/",), (f"Host: http://{ACME}",),
    ],
)  # fmt: skip
def test_two_hosts_none_or_a_broken_one_are_refused(port: int, ann: str, headers: tuple[str, ...]) -> None:
    answer = exchange(port, request("GET / HTTP/1.1", *headers, cookie=ann))
    assert statuses(answer) in ([400], [404])
    assert TOLD not in answer


@pytest.mark.parametrize(
    "target",
    [
        f"http://{GLOBEX}/", f"https://{GLOBEX}/", f"http://{ACME}@{GLOBEX}/", f"http://{GLOBEX}@{ACME}/", f"http://{ACME}:8000/",
        f"http://{ACME}.evil.example/", "http:///", "http://[::1/", f"{GLOBEX}:80", f"{ACME}:80", f"http:{GLOBEX}/", "x://",
    ],
)  # fmt: skip
def test_a_target_that_names_another_host_than_the_header_is_refused(port: int, ann: str, target: str) -> None:
    for method in ("GET", "CONNECT"):
        answer = exchange(port, request(f"{method} {target} HTTP/1.1", f"Host: {ACME}", cookie=ann))
        assert statuses(answer) in ([400], [404]), method
        assert TOLD not in answer


def test_a_target_that_names_acme_shows_nothing_of_it_on_another_host(port: int, ann: str) -> None:
    for headers in ((f"Host: {GLOBEX}",), ()):
        answer = exchange(port, request(f"GET http://{ACME}/ HTTP/1.1", *headers, cookie=ann))
        assert statuses(answer) in ([400], [404])
        assert TOLD not in answer


@pytest.mark.parametrize("prefix", ["/accounts/sign-in", "/scim", "/api", "/static", "/x"])
def test_no_header_moves_the_path(port: int, ann: str, prefix: str) -> None:
    """A peer on the loopback may tell gunicorn where it is mounted; a proxy there hands on what its clients send."""
    for name in ("SCRIPT_NAME", "Script_Name", "PATH_INFO"):
        for cookie in ("", ann):
            line = f"GET {prefix}/trust/ HTTP/1.1"
            moved = exchange(port, request(line, f"Host: {ACME}", f"{name}: {prefix}", cookie=cookie))
            plain = exchange(port, request(line, f"Host: {ACME}", cookie=cookie))
            assert statuses(moved) == [404] or statuses(moved) == statuses(plain)
    assert statuses(exchange(port, request("GET /trust/ HTTP/1.1", f"Host: {ACME}", cookie=ann))) == [200]


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
def test_a_prefix_that_is_not_the_paths_is_not_heeded(port: int, ann: str, name: str) -> None:
    """Where it is heeded, a page that is there becomes an error of the server."""
    assert statuses(
        exchange(port, request("GET /trust/ HTTP/1.1", f"Host: {ACME}", f"{name}: /elsewhere", cookie=ann))
    ) == [200]


@pytest.mark.parametrize("prefix", ["/static", "/media", "/"])
def test_what_the_first_request_says_of_the_path_does_not_stay(houses: World, prefix: str) -> None:
    """Django keeps the first prefix that it meets, in addresses of files that it would put before their names."""
    with gunicorn() as own:
        exchange(own, request(f"GET {prefix}/x HTTP/1.1", f"Host: {ACME}", f"SCRIPT_NAME: {prefix}"))
        answer = exchange(own, request("GET /accounts/sign-in/ HTTP/1.1", f"Host: {ACME}"))
    assert statuses(answer) == [200]
    assert b'href="/static/css/omni.css"' in answer


@pytest.mark.parametrize("header", ["HTTP_HOST", "X_Forwarded_Host", "X-Forwarded-Host", "Http-Host", "SERVER_NAME"])
def test_no_other_header_is_the_host(port: int, ann: str, header: str) -> None:
    answer = exchange(port, request("GET / HTTP/1.1", f"Host: {GLOBEX}", f"{header}: {ACME}", cookie=ann))
    assert statuses(answer) == [302]
    assert TOLD not in answer


def test_requests_on_one_line_are_each_their_own_hosts(port: int, ann: str) -> None:
    hosts = (ACME, GLOBEX, ACME, GLOBEX)
    sent = [
        request("GET / HTTP/1.1", f"Host: {host}", cookie=ann, is_last=number == len(hosts) - 1)
        for number, host in enumerate(hosts)
    ]
    assert statuses(exchange(port, b"".join(sent))) == [200, 302, 200, 302]


def test_nothing_hides_in_a_body(port: int, ann: str) -> None:
    """Two lengths, of which a proxy could take the one and gunicorn the other: neither request is answered with data."""
    hidden = request("GET / HTTP/1.1", f"Host: {ACME}", cookie=ann)
    for length in ("Transfer-Encoding: chunked", "Content-Length: 5", "Transfer-Encoding: xchunked"):
        head = request("POST / HTTP/1.1", f"Host: {GLOBEX}", "Content-Length: 4", length, is_last=False)
        answer = exchange(port, head + b"0\r\n\r\n" + hidden)
        assert statuses(answer) in ([400], [501])
        assert TOLD not in answer
