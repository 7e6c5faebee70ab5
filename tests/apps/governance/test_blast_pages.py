"""Pages of publishing: the blast radius of a version, the request, the switch; for this tenant's administrators alone."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.datamodels.models import Dataset, ModelFile
from apps.governance.blast_radius.asking import needs_second_administrator
from apps.governance.blast_radius.errors import RequestRefusedError
from apps.governance.models import ApprovalRequest
from apps.tenants.binding import bound, unbound
from apps.tenants.types import TenantRef
from tests.apps.conftest import SignedIn
from tests.apps.governance.test_blast_approvals import WIDER, asked, bea, draft, is_on
from tests.apps.queries.conftest import analysts, eve, sales, source

__all__ = ["analysts", "bea", "eve", "is_on", "sales", "source"]

Browser = Callable[[User], Client]


@pytest.fixture
def browse(acme: TenantRef, signed_in: SignedIn) -> Browser:
    return signed_in


def get(client: Client, path: str) -> tuple[int, str]:
    with unbound():
        answer = client.get(path)
    return answer.status_code, answer.content.decode()


def post(client: Client, path: str, **values: str) -> int:
    with unbound():
        return int(client.post(path, values).status_code)


def radius_path(key: UUID) -> str:
    return f"/admin/governance/approvalrequest/blast-radius/{key}/"


def decide_path(key: UUID) -> str:
    return f"/admin/governance/approvalrequest/{key}/decide/"


def test_the_pages_show_ask_and_decide(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, browse: Browser, signed_in: SignedIn, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    one, other = browse(ada), browse(bea)
    status, page = get(one, radius_path(wider.pk))
    assert status == 200
    assert "1 person gains `orders.email` in Sales in clear, masked until now." in page
    assert "Ann · ann@acme.example" in page
    assert "Ask another administrator" in page
    assert post(one, radius_path(wider.pk), note="<b>please</b>") == 302
    request = ApprovalRequest.objects.get()
    own, theirs = get(one, decide_path(request.pk))[1], get(other, decide_path(request.pk))[1]
    assert "This is your own request" in own
    assert 'value="approve"' not in own
    assert 'value="approve"' in theirs
    assert "&lt;b&gt;please&lt;/b&gt;" in theirs
    assert post(one, decide_path(request.pk), decision="approve") == 302
    assert ApprovalRequest.objects.get().state == "pending"
    assert post(other, decide_path(request.pk), decision="nonsense") == 404
    stale = signed_in(bea, is_fresh=False)
    assert post(stale, decide_path(request.pk), decision="approve") == 302
    assert ApprovalRequest.objects.get().state == "pending"
    assert post(other, decide_path(request.pk), decision="approve") == 302
    assert ApprovalRequest.objects.get().state == "approved"
    assert "has approved exactly these files" in get(one, radius_path(wider.pk))[1]
    assert "open</a>" in get(one, "/admin/governance/approvalrequest/")[1]


def test_the_switch_is_a_page_of_its_own(
    sales: Dataset, ada: User, bea: User, browse: Browser, signed_in: SignedIn, now: datetime
) -> None:
    path = "/admin/governance/publishingpolicy/"
    one, other = browse(ada), browse(bea)
    assert "second administrator: off" in get(one, path)[1]
    stale = signed_in(ada, is_fresh=False)
    assert post(stale, path, switch="on") == 302
    assert "second administrator: on" in get(one, path)[1]
    assert post(stale, path, switch="off") == 302
    assert "needs a fresh sign-in" in get(stale, path)[1]
    assert not ApprovalRequest.objects.exists()
    assert post(one, path, switch="off") == 302
    assert needs_second_administrator()
    assert post(other, decide_path(ApprovalRequest.objects.get().pk), decision="approve") == 302
    assert not needs_second_administrator()
    assert post(one, path, switch="sideways") == 404


def test_the_pages_are_for_this_tenants_administrators(
    sales: Dataset, ada: User, bea: User, eve: User, is_on: None, globex: TenantRef, make_person: Callable[..., User],
    browse: Browser, now: datetime,
) -> None:  # fmt: skip
    wider = draft(sales, WIDER, now)
    request = asked(wider, ada, now)
    with bound(globex.id):
        gus = make_person("gus@globex.example", is_tenant_admin=True)
    stranger = Client(headers={"host": "globex.localhost"})
    with bound(globex.id):
        stranger.force_login(gus, backend="apps.accounts.backends.IdentityBackend")
    member = browse(eve)
    for path in (radius_path(wider.pk), decide_path(request.pk)):
        assert get(browse(ada), path)[0] == 200
        for client in (stranger, member):
            assert get(client, path)[0] == 404
            assert post(client, path, decision="approve") == 404
    assert get(browse(ada), radius_path(uuid4()))[0] == 404
    assert get(browse(ada), decide_path(uuid4()))[0] == 404
    assert get(member, "/admin/governance/publishingpolicy/")[0] == 404
    assert post(member, "/admin/governance/publishingpolicy/", switch="on") == 404
    assert ApprovalRequest.objects.get().state == "pending"


def test_a_version_that_cannot_be_read_says_so_on_the_page(
    sales: Dataset, ada: User, browse: Browser, now: datetime
) -> None:
    version = draft(sales, WIDER, now)
    ModelFile.objects.filter(version=version, path="orders.view.yaml").update(content="dimensions: [")
    status, page = get(browse(ada), radius_path(version.pk))
    assert status == 200
    assert "These files cannot be published" in page
    with pytest.raises(RequestRefusedError, match="do not make a model"):
        asked(version, ada, now)


def test_the_page_before_publishing_says_who_gains(
    sales: Dataset, ada: User, eve: User, browse: Browser, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    path = f"/admin/datamodels/datamodel/{wider.data_model_id}/versions/{wider.number}/publish/"
    status, page = get(browse(ada), path)
    assert status == 200
    assert "1 person gains `orders.email` in Sales in clear, masked until now." in page
    assert radius_path(wider.pk) in page
    assert "Another administrator has to approve" not in page


def test_the_page_before_publishing_says_that_another_administrator_is_needed(
    sales: Dataset, ada: User, eve: User, is_on: None, browse: Browser, now: datetime
) -> None:
    wider = draft(sales, WIDER, now)
    path = f"/admin/datamodels/datamodel/{wider.data_model_id}/versions/{wider.number}/publish/"
    page = get(browse(ada), path)[1]
    assert "Another administrator has to approve this first" in page
    assert "Publish now" not in page
