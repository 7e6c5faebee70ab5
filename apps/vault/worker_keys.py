"""The worker's key pair: everybody can seal a credential to it, only a worker can open one.

While it is rotated the private file holds the old key and the new one, and the public file the one that seals.
"""

import fcntl
from functools import lru_cache
from pathlib import Path

import tink
from django.conf import settings
from tink import hybrid, secret_key_access

from apps.vault import keysets
from apps.vault.errors import NoWorkerKeyError, SealError
from apps.vault.key_files import PRIVATE_MODE, PUBLIC_MODE, write_key_file

hybrid.register()
TEMPLATE = hybrid.hybrid_key_templates.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM


def ensure_worker_keys() -> None:
    """Generate the pair into the configured files when it is missing, in local set-ups only."""
    if not settings.OMNI_IS_LOCAL:
        return
    private, public = Path(settings.OMNI_WORKER_PRIVATE_KEY_FILE), Path(settings.OMNI_WORKER_PUBLIC_KEY_FILE)
    if private.exists() and public.exists():
        return
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with private.with_name(f"{private.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two processes that start at once one half each would open nothing
        if not (private.exists() and public.exists()):
            _make_pair(private, public)


def _make_pair(private: Path, public: Path) -> None:
    handle = tink.new_keyset_handle(TEMPLATE)
    write_key_file(private, tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN), PRIVATE_MODE)
    write_key_file(
        public, tink.json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle()), PUBLIC_MODE
    )


def add_worker_key() -> bool:
    """Add a new key beside the old one on this worker; return False when there are two already.

    The public file does not change: web processes go on sealing to the old key until every worker has the new one.

    Raises:
        NoWorkerKeyError: this host has no private key.
    """
    path = _private_path()
    held = path.read_text()
    if keysets.key_count(held) > 1:
        return False
    write_key_file(path, keysets.with_new_key(held, TEMPLATE), PRIVATE_MODE)
    return True


def publish_worker_key() -> bool:
    """Write the new key's public half, which credentials are sealed to from now on; return False when it is there."""
    new = keysets.with_primary_only(_private_path().read_text())
    public = Path(settings.OMNI_WORKER_PUBLIC_KEY_FILE)
    if keysets.primary_of(public.read_text()) == keysets.primary_of(new):
        return False
    handle = tink.json_proto_keyset_format.parse(new, secret_key_access.TOKEN).public_keyset_handle()
    write_key_file(public, tink.json_proto_keyset_format.serialize_without_secret(handle), PUBLIC_MODE)
    return True


def drop_old_worker_keys() -> bool:
    """Keep the newest key only; whoever calls has made sure that nothing is sealed to the others."""
    path = _private_path()
    held = path.read_text()
    if keysets.key_count(held) == 1:
        return False
    write_key_file(path, keysets.with_primary_only(held), PRIVATE_MODE)
    return True


def is_sealed_to_public_key(ciphertext: bytes) -> bool:
    """Say whether a credential is sealed to the key that the public file names now."""
    public = Path(settings.OMNI_WORKER_PUBLIC_KEY_FILE).read_text()
    return keysets.sealed_by(ciphertext) == keysets.primary_of(public)


def _private_path() -> Path:
    ensure_worker_keys()
    path = Path(settings.OMNI_WORKER_PRIVATE_KEY_FILE or "/nonexistent")
    if not path.exists():
        raise NoWorkerKeyError("this host has no private key")
    return path


def _version(path: str) -> int:
    """Tell a file from the one that replaced it, so that a running process takes up a rotated key."""
    return Path(path).stat().st_mtime_ns


@lru_cache(maxsize=4)
def _encrypter(path: str, version: int) -> hybrid.HybridEncrypt:
    handle = tink.json_proto_keyset_format.parse_without_secret(Path(path).read_text())
    return handle.primitive(hybrid.HybridEncrypt)


@lru_cache(maxsize=4)
def _decrypter(path: str, version: int) -> hybrid.HybridDecrypt:
    handle = tink.json_proto_keyset_format.parse(Path(path).read_text(), secret_key_access.TOKEN)
    return handle.primitive(hybrid.HybridDecrypt)


def seal_for_worker(secret: bytes, *, context: bytes) -> bytes:
    """Seal a credential to the worker's public key; ``context`` names the target that it may be used for."""
    ensure_worker_keys()
    path = str(settings.OMNI_WORKER_PUBLIC_KEY_FILE)
    return bytes(_encrypter(path, _version(path)).encrypt(secret, context))


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
        return bytes(_decrypter(str(path), _version(path)).decrypt(bytes(ciphertext), context))
    except tink.TinkError:
        raise SealError("the credential was sealed for another target") from None
