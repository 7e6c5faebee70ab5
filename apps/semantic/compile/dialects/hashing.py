"""Keyed hashes: the first 16 hex letters of SHA-256 over key and text."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, literal_number

LENGTH = 16


def keyed_hash(key: exp.Expr, text: exp.Expr, *, dialect: str) -> exp.Expr:
    """Return the hash of a text under a key: NULL stays NULL, equal texts stay equal."""
    keyed: exp.Expr = exp.DPipe(this=key, expression=text, safe=True)
    if dialect == "mysql":
        keyed = call("CONCAT", key, text)
        return exp.Left(this=call("SHA2", keyed, literal_number(256)), expression=literal_number(LENGTH))
    if dialect == "postgres":
        hashed = call("SHA256", call("CONVERT_TO", keyed, exp.Literal.string("UTF8")))
        hashed = call("ENCODE", hashed, exp.Literal.string("hex"))
    else:
        hashed = call("SHA256", keyed)
    return exp.Left(this=hashed, expression=literal_number(LENGTH))
