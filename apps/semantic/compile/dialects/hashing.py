"""Keyed hashes: the first 16 hex letters of SHA-256 over key and text, in small letters."""

from sqlglot import exp

from apps.semantic.compile.nodes import call, literal_number

LENGTH = 16
BITS = 256
WITH_BITS = frozenset(("mysql", "snowflake", "databricks", "spark", "redshift"))
"""dialects whose SHA2 takes the number of bits and gives hex letters"""


def keyed_hash(key: exp.Expr, text: exp.Expr, *, dialect: str) -> exp.Expr:
    """Return the hash of a text under a key: NULL stays NULL, equal texts stay equal."""
    keyed: exp.Expr = exp.DPipe(this=key, expression=text, safe=True)
    if dialect in WITH_BITS:
        joined = call("CONCAT", key, text) if dialect == "mysql" else keyed
        return exp.Left(this=call("SHA2", joined, literal_number(BITS)), expression=literal_number(LENGTH))
    return exp.Left(this=_hex(keyed, dialect), expression=literal_number(LENGTH))


def _hex(keyed: exp.Expr, dialect: str) -> exp.Expr:
    """Return the hash as hex letters, of a database that gives bytes or names the function otherwise."""
    if dialect == "postgres":
        hashed = call("SHA256", call("CONVERT_TO", keyed, exp.Literal.string("UTF8")))
        return call("ENCODE", hashed, exp.Literal.string("hex"))
    if dialect == "bigquery":
        return _named("TO_HEX", _named("SHA256", keyed))
    if dialect == "trino":
        return exp.Lower(this=_named("TO_HEX", _named("SHA256", _named("TO_UTF8", keyed))))
    if dialect == "clickhouse":
        return exp.Lower(this=_named("hex", _named("SHA256", keyed)))
    if dialect == "tsql":
        # Style 2 of CONVERT writes bytes as hex letters without 0x.
        hashed = _named("HASHBYTES", exp.Literal.string("SHA2_256"), keyed)
        return exp.Lower(this=_named("CONVERT", exp.Var(this="VARCHAR(64)"), hashed, literal_number(2)))
    return call("SHA256", keyed)


def _named(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))
