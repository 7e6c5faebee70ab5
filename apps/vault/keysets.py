"""Tink keysets as JSON: add a key, drop the others, and tell which key sealed what."""

import json

import tink
from tink import secret_key_access

PREFIX = b"\x01"
PREFIX_BYTES = 5


def new_keyset(template: object) -> str:
    return str(tink.json_proto_keyset_format.serialize(tink.new_keyset_handle(template), secret_key_access.TOKEN))


def with_new_key(keyset: str, template: object) -> str:
    """Return the keyset with a new key beside the old ones; the new one seals from now on."""
    old, new = json.loads(keyset), json.loads(new_keyset(template))
    if new["primaryKeyId"] in {key["keyId"] for key in old["key"]}:
        return with_new_key(keyset, template)  # once in four thousand million times
    return json.dumps({"primaryKeyId": new["primaryKeyId"], "key": [*old["key"], *new["key"]]})


def with_primary_only(keyset: str) -> str:
    found = json.loads(keyset)
    kept = [key for key in found["key"] if key["keyId"] == found["primaryKeyId"]]
    return json.dumps({"primaryKeyId": found["primaryKeyId"], "key": kept})


def key_count(keyset: str) -> int:
    return len(json.loads(keyset)["key"])


def primary_of(keyset: str) -> int:
    """Return the id of the key that seals."""
    return int(json.loads(keyset)["primaryKeyId"])


def sealed_by(ciphertext: bytes) -> int | None:
    """Return the id of the key that a ciphertext names, or None when it names none."""
    if len(ciphertext) <= PREFIX_BYTES or ciphertext[:1] != PREFIX:
        return None
    return int.from_bytes(ciphertext[1:PREFIX_BYTES], "big")
