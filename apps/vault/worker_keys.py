"""The worker's key pair: everybody can seal a credential to it, only a worker can open one."""

import os
import secrets
from functools import lru_cache
from pathlib import Path

import tink
from django.conf import settings
from tink import hybrid, secret_key_access

from apps.vault.errors import NoWorkerKeyError, SealError

hybrid.register()
TEMPLATE = hybrid.hybrid_key_templates.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM


def _write_once(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    draft.replace(path)


def ensure_worker_keys() -> None:
    """Generate the pair into the configured files when it is missing, in local set-ups only."""
    if not settings.OMNI_IS_LOCAL:
        return
    private, public = Path(settings.OMNI_WORKER_PRIVATE_KEY_FILE), Path(settings.OMNI_WORKER_PUBLIC_KEY_FILE)
    if private.exists() and public.exists():
        return
    handle = tink.new_keyset_handle(TEMPLATE)
    _write_once(private, tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN), 0o600)
    _write_once(public, tink.json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle()), 0o644)


@lru_cache(maxsize=4)
def _encrypter(path: str) -> hybrid.HybridEncrypt:
    handle = tink.json_proto_keyset_format.parse_without_secret(Path(path).read_text())
    return handle.primitive(hybrid.HybridEncrypt)


@lru_cache(maxsize=4)
def _decrypter(path: str) -> hybrid.HybridDecrypt:
    handle = tink.json_proto_keyset_format.parse(Path(path).read_text(), secret_key_access.TOKEN)
    return handle.primitive(hybrid.HybridDecrypt)


def seal_for_worker(secret: bytes, *, context: bytes) -> bytes:
    """Seal a credential to the worker's public key; ``context`` names the target that it may be used for."""
    ensure_worker_keys()
    return bytes(_encrypter(str(settings.OMNI_WORKER_PUBLIC_KEY_FILE)).encrypt(secret, context))


def open_for_worker(ciphertext: bytes, *, context: bytes) -> bytes:
    """Open a credential, in a worker.

    Raises:
        NoWorkerKeyError: this process is no worker, or has no private key.
        SealError: it was sealed for another target, or is damaged.
    """
    path = settings.OMNI_WORKER_PRIVATE_KEY_FILE
    if not settings.OMNI_IS_WORKER or not path or not Path(path).exists():
        raise NoWorkerKeyError("only a worker can open credentials")
    try:
        return bytes(_decrypter(str(path)).decrypt(bytes(ciphertext), context))
    except tink.TinkError:
        raise SealError("the credential was sealed for another target") from None
