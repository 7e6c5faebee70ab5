"""Every address × every method × everybody who must be refused, with real things of another house in path, query and body.

The addresses come from the URL map: a new one fails the suite until it has a specimen, one line in ``specimens.py``. Nobody
who is refused sees the canary or leaves a trace in the database; the house's own people are the positive control.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.tenants.binding import bound
from tests.isolation.houses import CANARY, House, World, nothing, ticket
from tests.isolation.ledger import Ledger, changed
from tests.isolation.specimens import Specimen, filled, routes, specimens, values

URLCONFS = ("omni.urls.tenant", "omni.urls.platform")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
PROGRAMS = ("program", "scim")
COMPARED = ("get", "post", "delete")
"""with what exists nowhere; PUT and PATCH too where they are taken"""
REFUSED = {401, 403, 404, 405}
SESSION = "accounts_usersession"
AUDIT = "audit_auditevent"
MEMBERS_TRACES = {SESSION, AUDIT, "accounts_user", "accounts_apitoken"}
"""sign-ins, how often, and when a token was last used"""

Caller = Callable[[Specimen], tuple[Client, dict[str, str]]]
Answer = Any


def call(
    client: Client,
    method: str,
    route: str,
    specimen: Specimen,
    house: House,
    headers: dict[str, str],
    *,
    is_missing: bool = False,
) -> Answer:
    """Ask for an address, with things of a house in path, query and body."""
    places = values(house, specimen.path, is_missing=is_missing)
    path = filled(route, places)
    query = values(house, specimen.query, is_missing=is_missing)
    body = values(house, specimen.body, is_missing=is_missing)
    options: dict[str, Any] = {"headers": headers, "query_params": query}
    if method in ("post", "put", "patch", "delete"):
        if named := specimen.document(method):
            question = json.dumps(getattr(house, named))
            options |= {
                "data": without(house, question) if is_missing else question,
                "content_type": "application/json",
            }
        elif method == "post":
            options["data"] = body
    connection.queries_log.clear()  # it holds the last thousands only
    with CaptureQueriesContext(connection) as ran:
        answer = getattr(client, method)(path, **options)
    answer.statements = [
        shape for query in ran.captured_queries if not NOTED.match(shape := query["sql"].split("(")[0][:60])
    ]
    answer.asked = [*places.values(), *query.values(), *body.values()]
    return answer


def without(house: House, question: str) -> str:
    """Return a body that names things that exist nowhere in place of the house's."""
    return question.replace(house.dataset.name, "missing").replace(str(house.person.pk), nothing())


def caller_of(house: House, specimen: Specimen) -> tuple[Client, dict[str, str]]:
    """Return the browser of the person, or the program, that may do it in the house."""
    if specimen.bearer:
        return Client(headers={"host": house.tenant.host}), house.program(specimen.bearer)
    return house.browser(specimen.who), {}


def text_of(answer: Answer) -> str:
    content = b"".join(answer.streaming_content) if getattr(answer, "streaming", False) else answer.content
    return str(answer.headers) + content.decode(errors="replace")


@pytest.mark.parametrize("urlconf", URLCONFS)
def test_every_address_has_a_specimen(urlconf: str) -> None:
    missing = set(routes(urlconf)) - specimens(urlconf).keys()
    assert not missing, f"add a line to tests/isolation/specimens.py for {sorted(missing)}"
    gone = specimens(urlconf).keys() - set(routes(urlconf))
    assert not gone, f"remove the lines of {sorted(gone)}"
    assert len(routes("omni.urls.tenant")) > 120


@pytest.mark.parametrize("urlconf", URLCONFS)
def test_the_houses_own_people_reach_what_the_specimens_name(houses: World, urlconf: str) -> None:
    """Without this the refusals below could be of things that do not exist."""
    is_platform = urlconf.endswith("platform")
    wrong, shown = [], 0
    for route, specimen in specimens(urlconf).items():
        if "<str:ticket>" in route:
            houses.acme.things.ticket = ticket(houses.acme, houses.platform)
        client, headers = (houses.platform.browser("sam"), {}) if is_platform else caller_of(houses.acme, specimen)
        answer = call(client, "get", route, specimen, houses.acme, headers)
        shown += CANARY in text_of(answer)
        if is_platform and ("/oidc/" in route or "/saml/" in route):
            continue  # the platform of these tests has no identity provider
        expected = {specimen.get} if specimen.get else {200, 403}
        if answer.status_code not in expected:
            wrong.append(f"GET {route}: {answer.status_code}, expected {expected}")
    assert not wrong, "\n".join(wrong)
    assert is_platform or shown > 60


def anonymous(house: House) -> Caller:
    return lambda _: (Client(headers={"host": house.tenant.host}), {})


def carried(client: Client, house: House) -> Caller:
    """A browser that brings the cookies of another host along."""
    moved = Client(headers={"host": house.tenant.host})
    held = {name: morsel.value for name, morsel in client.cookies.items()}

    def caller(_: Specimen) -> tuple[Client, dict[str, str]]:
        moved.cookies.clear()
        moved.cookies.load(held)
        return moved, {}

    return caller


def strangers(houses: World, house: House) -> dict[str, Caller]:
    """Return everybody who is nobody on the house's host."""
    other = houses.globex if house is houses.acme else houses.acme
    found = {
        "anonymous": anonymous(house),
        "administrator of another tenant": carried(other.browser("ada"), house),
        "member of another tenant": carried(other.browser("ann"), house),
        "token of another tenant": lambda specimen: (
            Client(headers={"host": house.tenant.host}), other.program(specimen.bearer or "ada")
        ),
        "support visitor of another tenant": carried(other.browsers["visitor"], house),
    }  # fmt: skip
    if house is not houses.platform:
        found["our staff without a grant"] = carried(houses.platform.browsers["sam"], house)
        found["disabled person"] = carried(house.browsers["dis"], house)
        found["token of a disabled person"] = lambda _: (
            Client(headers={"host": house.tenant.host}), house.program("dis")
        )  # fmt: skip
    return found


STRANGERS = (
    "anonymous", "administrator of another tenant", "member of another tenant", "token of another tenant",
    "support visitor of another tenant", "our staff without a grant", "disabled person", "token of a disabled person",
)  # fmt: skip


def faults(route: str, specimen: Specimen, method: str, answer: Answer) -> Iterator[str]:
    """Say what is wrong with the answer to a stranger."""
    code, where = answer.status_code, answer.headers.get("Location", "")
    if specimen.is_open:
        is_right = code < 500 or code in (specimen.get, specimen.post)
    elif route.startswith(("/api/", "/scim/")):
        is_right = code == 401
    else:
        is_right = code == 302 and where.startswith("/accounts/sign-in/")
    if not is_right:
        yield f"{method.upper()} {route}: {code} {where}"
    if CANARY in text_of(answer) and not specimen.is_open:  # the sign-in page names the house's own providers
        yield f"{method.upper()} {route}: shows the canary"


@pytest.mark.parametrize("urlconf", URLCONFS)
@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_is_sent_to_sign_in_and_leaves_no_trace(
    houses: World, ledger: Ledger, urlconf: str, who: str
) -> None:
    house = houses.platform if urlconf.endswith("platform") else houses.acme
    callers = strangers(houses, house)
    if who not in callers:
        pytest.skip(
            "nothing to run: on the platform's host this is one of its own people; the tenants' hosts have this stranger"
        )
    before, wrong = ledger.read(), []
    for route, specimen in specimens(urlconf).items():
        for method in METHODS:
            client, headers = callers[who](specimen)
            is_missing = specimen.is_key and method == "post"  # the holder of a key is its person: see tests/apps
            answer = call(client, method, route, specimen, houses.acme, headers, is_missing=is_missing)
            wrong += faults(route, specimen, method, answer)
    assert not wrong, "\n".join(wrong)
    assert changed(before, ledger.read(), houses.acme, houses.globex, houses.platform) <= {SESSION}


@pytest.mark.parametrize("is_program", [False, True], ids=["browser", "token"])
def test_a_member_without_permission_gets_what_is_open_to_all_members_and_nothing_else(
    houses: World, ledger: Ledger, is_program: bool
) -> None:
    house, before, wrong = houses.acme, ledger.read(), []
    client = Client(headers={"host": house.tenant.host}) if is_program else house.browser("may")
    headers = house.program("may") if is_program else {}
    for route, specimen in specimens("omni.urls.tenant").items():
        if is_program and not route.startswith(("/api/", "/scim/")):
            continue  # elsewhere a token is nobody's: as a stranger's above
        for method in METHODS:
            is_missing = specimen.is_key and method == "post"
            answer = call(client, method, route, specimen, house, headers, is_missing=is_missing)
            allowed = set(REFUSED)
            if specimen.member:  # open to all members: a form that was sent empty is answered as to anybody
                own = specimen.post if method == "post" and specimen.post == 422 else specimen.member
                allowed |= {own, 200 if method == "options" else own}
            if answer.status_code not in allowed:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}")
            if CANARY in text_of(answer).replace(f"{CANARY} may", "") and not specimen.is_open:
                wrong.append(f"{method.upper()} {route}: shows the canary")
            if specimen.ends_session:
                client = house.browser("may")
    assert not wrong, "\n".join(wrong)
    assert client.get("/api/v1/datasets" if is_program else "/trust/", headers=headers).status_code == 200
    assert changed(before, ledger.read(), houses.acme, houses.globex, houses.platform) <= MEMBERS_TRACES


def test_a_support_visitor_reads_what_was_granted_and_writes_nothing(houses: World, ledger: Ledger) -> None:
    """In the house that let them in: each visit is written down, and whatever they may not do does not exist."""
    house, before, wrong = houses.acme, ledger.read(), []
    client, _ = carried(house.browsers["visitor"], house)(Specimen())
    for route, specimen in specimens("omni.urls.tenant").items():
        if specimen.ends_session or specimen.is_key:
            continue  # ends the visit: tests/apps/support
        for method in METHODS:
            answer = call(client, method, route, specimen, house, {})
            is_read = method in ("get", "head")
            allowed = REFUSED if is_read else {404}
            if is_read and not route.startswith(("/admin/", "/scim/")):
                allowed = REFUSED | {200, 204, 302, 400}
            if answer.status_code not in allowed:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert client.get(filled("/dashboards/<slug:slug>/", {"slug": house.dashboard.slug})).status_code == 200
    traces = changed(before, ledger.read(), houses.acme, houses.globex, houses.platform)
    assert traces <= {SESSION, AUDIT}
    assert AUDIT in traces


def test_staff_who_are_no_administrators_reach_neither_administration_nor_a_colleagues_requests(
    houses: World, ledger: Ledger
) -> None:
    """Eli on the platform's host; Sam, whose requests these are, is the positive control."""
    before, wrong, client = ledger.read(), [], houses.platform.browser("eli")
    for route, specimen in specimens("omni.urls.platform").items():
        for method in METHODS:
            answer = call(client, method, route, specimen, houses.acme, {}, is_missing=specimen.is_key)
            is_closed = route.startswith(("/admin/", "/support/requests/")) and method != "options"
            if is_closed and answer.status_code not in REFUSED:
                wrong.append(f"{method.upper()} {route}: {answer.status_code}")
            if CANARY in text_of(answer):
                wrong.append(f"{method.upper()} {route}: shows the canary")
            if specimen.ends_session:
                client = houses.platform.browser("eli")
    assert not wrong, "\n".join(wrong)
    request = str(houses.acme.support_request.pk)
    assert request not in client.get("/support/").content.decode()
    assert request in houses.platform.browser("sam").get("/support/").content.decode()
    assert changed(before, ledger.read(), houses.acme, houses.globex, houses.platform) <= MEMBERS_TRACES


TOKEN = re.compile(rb"[A-Za-z0-9]{64}")
"""a page's token against forged requests: another one in every answer"""


OF_THE_MOMENT = {"Date", "Expires", "X-Request-Id", "Content-Length"}
"""headers that differ from one second to the next whatever was asked, here by their presence; a length with its text"""


NOTED = re.compile(r"(UPDATE|SELECT set_config|SAVEPOINT|RELEASE)")
"""statements of the moment: when a session or token was last used is written now and then"""


def told(answer: Answer, *asked: str) -> tuple[int, list[tuple[str, str]], list[str], int, bytes]:
    """Return what a refusal tells: status, headers, names of cookies, how much work it was, and text.

    Without the token and without what was asked for. The work is told by the number of statements: what is looked up
    once more for what exists elsewhere takes longer, and a clock would say so less surely than this.
    """
    known = sorted((one for one in (*asked, *answer.asked) if len(one) > 4), key=len, reverse=True)
    text = TOKEN.sub(b"", answer.content) if answer.status_code == 404 else b""
    headers = {name: "" if name in OF_THE_MOMENT else value for name, value in answer.headers.items()}
    for one in known:
        text = text.replace(one.encode(), b"")
        headers = {name: value.replace(quote(one), "").replace(one, "") for name, value in headers.items()}
    return answer.status_code, sorted(headers.items()), sorted(answer.cookies), len(answer.statements), text


def test_what_an_answer_tells_is_seen() -> None:
    """A header, a cookie, a statement more: each would tell one from the other."""

    def answer(*, name: str = "a-name-that-was-asked", statements: int = 3, **headers: str) -> Answer:
        made: Any = HttpResponse(status=302, headers={"Location": f"/x/{name}/", "Expires": name, **headers})
        made.asked, made.statements = [name], ["SELECT"] * statements
        return made

    assert told(answer()) == told(answer(name="another-name"))
    assert told(answer()) != told(answer(**{"X-Found": "1"}))
    assert told(answer()) != told(answer(Location="/y/"))
    assert told(answer()) != told(answer(statements=4))
    baked = answer()
    baked.set_cookie("seen", "1")
    assert told(answer()) != told(baked)


def forget_messages(client: Client, house: House) -> None:
    """Drop what a redirect left to be said: the next page would say it, and differ from the one after."""
    with bound(house.tenant.id):
        session = client.session
        session.pop("_messages", None)
        session.save()


def asked_for(specimen: Specimen, house: House, *, is_missing: bool) -> list[str]:
    """Return the texts that a request for a house's things holds."""
    named = {**specimen.path, **specimen.query, **specimen.body}
    name = "missing" if is_missing else house.dataset.name
    return [*values(house, named, is_missing=is_missing).values(), name]


@pytest.mark.parametrize("who", ["ada", "ann", "program", "scim"])
def test_on_their_own_host_the_things_of_another_house_are_like_things_that_do_not_exist(
    houses: World, ledger: Ledger, who: str
) -> None:
    """Administrator, member and programs of Globex ask Globex for Acme's things, and for things that exist nowhere."""
    before, wrong = ledger.read(), []
    ids = ledger.ids(houses.acme)
    client, headers = caller_of(houses.globex, Specimen(who=who, bearer=who if who in PROGRAMS else ""))
    for route, specimen in specimens("omni.urls.tenant").items():
        if not (specimen.path or specimen.query or specimen.body or specimen.json):
            continue
        if who in PROGRAMS and not route.startswith(("/api/", "/scim/")):
            continue  # elsewhere a token is nobody's: tests/apps/access
        for method in METHODS:
            theirs = none = call(client, method, route, specimen, houses.acme, headers)
            is_compared = method in COMPARED or specimen.document(method) != ""
            if is_compared:
                none = call(client, method, route, specimen, houses.acme, headers, is_missing=True)
            if CANARY in text_of(theirs).replace("/", " "):
                wrong.append(f"{method.upper()} {route}: shows the canary")
            if theirs.status_code >= 500 and theirs.status_code != specimen.post:
                wrong.append(f"{method.upper()} {route}: {theirs.status_code}")
            if told(theirs, *asked_for(specimen, houses.acme, is_missing=False)) != told(
                none, *asked_for(specimen, houses.acme, is_missing=is_compared)
            ):
                apart = set(told(theirs)[1]) ^ set(told(none)[1])
                codes = f"{theirs.status_code} for theirs, {none.status_code} for none"
                work = f"{len(theirs.statements)} and {len(none.statements)} statements"
                wrong.append(f"{method.upper()} {route}: {codes}; {sorted(apart)}; {work}")
            if theirs.status_code == 302 and who not in PROGRAMS:
                forget_messages(client, houses.globex)
            if specimen.ends_session:
                client = houses.globex.browser(who)
    assert not wrong, "\n".join(wrong)
    assert who in PROGRAMS or client.get("/trust/").status_code == 200
    after = ledger.read()
    assert changed(before, after, houses.acme, houses.platform) == set()
    assert ledger.mentions(houses.globex, ids, but=frozenset({AUDIT})) == []


def test_a_specimen_names_things_of_a_house(houses: World) -> None:
    found = values(houses.acme, {"a": "person.pk", "b": "=text", "c": "rows.accounts.user"})
    assert UUID(found["a"]) == houses.acme.people["ann"].pk
    assert found["b"] == "text"
    assert values(houses.acme, {"a": "person.pk"}, is_missing=True)["a"] != found["a"]
