"""A certificate of erasure is checked offline; whatever is not exactly what was signed, by a known key, is refused."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.retention.certificates import FORMAT, PURPOSE, canonical, read_certificate, signed
from apps.retention.errors import CertificateError
from apps.tenants.binding import unbound
from apps.tenants.types import TenantRef
from apps.vault.errors import NoSigningKeyError
from apps.vault.signing import create_signing_key, is_signed, sign, trusted_keys
from tests.databases import ROOT

CONTENT: dict[str, Any] = {
    "format": FORMAT, "id": "6f9d7d0e-0000-4000-8000-000000000001",
    "tenant": {"id": "6f9d7d0e-0000-4000-8000-000000000002", "slug": "acme"}, "requested_by": "Olga",
    "began_at": "2026-11-28T09:00:00+00:00", "keys_destroyed_at": "2026-11-28T09:00:01+00:00",
    "ended_at": "2026-11-28T09:00:02+00:00", "keys": {"tenant_keys": 1, "timed_keys": 0},
    "audit": {"events": 2, "head": "00" * 32, "was_intact": True}, "rows": {"accounts_user": 3}, "row_count": 3,
    "elsewhere": {"rows_of_ours": {}, "redis": 0, "files": 0, "not_vacuumed": []}, "asked_for": None, "erased_before": None,
    "statement": "x", "remains": [],
}  # fmt: skip
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def certificate(own_folder: Path) -> Path:
    path = own_folder / "certificate.json"
    path.write_text(signed(CONTENT))
    return path


def verify(path: Path, **options: Any) -> None:
    call_command("verify_certificate", path, **options)


def at(*names: str, to: Any) -> Change:
    """Return a change of one value."""

    def change(found: dict[str, Any]) -> None:
        inner = found
        for name in names[:-1]:
            inner = inner[name]
        inner[names[-1]] = to

    return change


def test_a_genuine_one_is_found_genuine(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(certificate)
    assert capsys.readouterr().out.startswith("genuine: tenant acme (6f9d7d0e-0000-4000-8000-000000000002)")


def test_the_order_of_names_and_white_space_say_nothing(certificate: Path) -> None:
    found = json.loads(certificate.read_text())
    certificate.write_text(json.dumps(dict(reversed(found.items())), indent=7))
    verify(certificate)


@pytest.mark.parametrize(
    "change",
    [
        at("certificate", "rows", "accounts_user", to=4), at("certificate", "row_count", to=4),
        at("certificate", "tenant", "id", to="6f9d7d0e-0000-4000-8000-000000000003"), at("certificate", "tenant", "slug", to="globex"),
        at("certificate", "keys_destroyed_at", to=None), at("certificate", "ended_at", to="2026-11-28T09:00:03+00:00"),
        at("certificate", "audit", "head", to="11" * 32), at("certificate", "requested_by", to="olga"), at("certificate", "extra", to=1),
        at("certificate", "format", to="omni erasure certificate 1"), at("certificate", "format", to="omni erasure certificate 3"), at("certificate", to=None), at("certificate", to=[]),
        at("signature", to=""), at("signature", to=base64.b64encode(bytes(64)).decode()), at("signature", to=None), at("signed_by", to=""),
        at("signed_by", to=base64.b64encode(bytes(32)).decode()), at("more", to="x"), lambda found: found.pop("signature"),
        lambda found: found.pop("signed_by"), lambda found: found["certificate"].pop("remains"),
    ],
)  # fmt: skip
def test_a_changed_one_is_refused(certificate: Path, change: Change) -> None:
    verify(certificate)
    found = json.loads(certificate.read_text())
    change(found)
    certificate.write_text(json.dumps(found))
    with pytest.raises(CommandError) as refused:
        verify(certificate)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("kept", [0, 1, 40, -1, -2, -60])
def test_a_cut_one_is_refused(certificate: Path, kept: int) -> None:
    whole = certificate.read_text().strip()
    certificate.write_text(whole[:kept])
    with pytest.raises(CommandError, match="not a whole certificate"):
        verify(certificate)
    certificate.write_text(whole)
    verify(certificate)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '"x"', "{" * 100_000, "\0", "NaN", '{"certificate": NaN}', "x" * 2_000_000]
)
def test_what_is_no_certificate_is_refused(own_folder: Path, text: str) -> None:
    (own_folder / "f").write_text(text)
    with pytest.raises(CommandError, match="not a whole certificate"):
        verify(own_folder / "f")


def test_a_name_that_is_there_twice_is_refused(certificate: Path) -> None:
    text = certificate.read_text()
    certificate.write_text(text.replace('"row_count": 3', '"row_count": 4, "row_count": 3'))
    with pytest.raises(CommandError, match="not a whole certificate"):
        verify(certificate)


def test_one_that_another_key_signed_is_refused(certificate: Path) -> None:
    other = Ed25519PrivateKey.generate()
    public = base64.b64encode(other.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(other.sign(f"omni {PURPOSE}\n".encode() + canonical(CONTENT))).decode()
    certificate.write_text(json.dumps({"certificate": CONTENT, "signed_by": public, "signature": signature}))
    with pytest.raises(CommandError, match="not trusted"):
        verify(certificate)
    verify(certificate, key=public)  # by whoever trusts that key it is found genuine: the signature itself is sound
    found = json.loads(certificate.read_text()) | {"signed_by": trusted_keys()[0]}
    certificate.write_text(json.dumps(found))
    with pytest.raises(CommandError, match="changed after it was signed"):
        verify(certificate)


def test_a_signature_for_another_purpose_is_none(certificate: Path) -> None:
    key, signature = sign("tombstone", canonical(CONTENT))
    certificate.write_text(json.dumps({"certificate": CONTENT, "signed_by": key, "signature": signature}))
    with pytest.raises(CommandError, match="changed after it was signed"):
        verify(certificate)


def test_what_an_older_key_signed_is_still_genuine(certificate: Path, settings: Settings) -> None:
    private, public = Path(settings.OMNI_CERTIFICATE_KEY_FILE), Path(settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE)
    private.rename(private.with_name("old"))
    made = create_signing_key(private, public)
    assert trusted_keys()[0] == made
    assert len(trusted_keys()) == 2
    verify(certificate)
    assert read_certificate(signed(CONTENT), keys=[made]) == CONTENT
    with pytest.raises(CertificateError, match="not trusted"):
        read_certificate(certificate.read_text(), keys=[made])


def test_a_key_that_cannot_be_checked_signs_nothing(certificate: Path, settings: Settings) -> None:
    assert sign("x", b"y")
    Path(settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE).write_text(base64.b64encode(bytes(32)).decode())
    with pytest.raises(NoSigningKeyError, match="does not name the key"):
        sign("x", b"y")
    Path(settings.OMNI_CERTIFICATE_KEY_FILE).write_text("nonsense")
    with pytest.raises(NoSigningKeyError, match="no Ed25519 key"):
        sign("x", b"y")


@pytest.mark.parametrize("text", ["", "x", "AAAA", "=" * 44, base64.b64encode(bytes(33)).decode()])
def test_what_is_no_key_or_signature_is_none(own_folder: Path, text: str) -> None:
    key, signature = sign("x", b"y")
    assert is_signed("x", b"y", signature=signature, by=key)
    assert not is_signed("x", b"y", signature=text, by=key)
    assert not is_signed("x", b"y", signature=signature, by=text)


def test_keys_are_made_for_their_owner_and_never_over_others(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = own_folder / "a", own_folder / "a.pub"
    call_command("create_certificate_key", private, public)
    assert capsys.readouterr().out.strip() == public.read_text().strip()
    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="exists"):
        call_command("create_certificate_key", private, public)


def manage(*words: str, state: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process that has no database, no Redis and no state of ours."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OMNI_", "DJANGO_"))}
    env |= {"OMNI_STATE_DIR": str(state), "PYTHONWARNINGS": "ignore", **environment}
    return subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip


def test_it_is_checked_where_there_is_no_database(certificate: Path, tmp_path: Path, settings: Settings) -> None:
    key, state = trusted_keys()[0], tmp_path / "elsewhere"
    found = manage("verify_certificate", str(certificate), "--key", key, state=state)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("genuine: tenant acme")
    assert not (state / "embedded").exists()
    by_file = manage(
        "verify_certificate", str(certificate), "--key", settings.OMNI_CERTIFICATE_PUBLIC_KEY_FILE, state=state
    )
    assert by_file.returncode == 0
    certificate.write_text(certificate.read_text().replace("acme", "acne"))
    for words in ((str(certificate), "--key", key), (str(certificate),), (str(tmp_path / "nothing"),)):
        refused = manage("verify_certificate", *words, state=state)
        assert refused.returncode == 1
        assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


def test_what_the_command_writes_is_what_the_other_finds_genuine(acme: TenantRef, own_folder: Path) -> None:
    out = own_folder / "out.json"
    with unbound():
        call_command("erase_tenant", "acme", confirm="acme", certificate=out)
    verify(out)
    out.write_text(out.read_text().replace('"events": ', '"events": 1'))
    with pytest.raises(CommandError, match="changed after"):
        verify(out)
