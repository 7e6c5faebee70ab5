"""What a statement for Spark may hold. A session of Spark cannot be made read-only: the frame of the text makes it so."""

import re

WORDS = (
    # methods of Java, by name
    "reflect", "try_reflect", "java_method",
    # readers that take a file's or a schema's address among their options
    "from_protobuf", "to_protobuf", "from_avro", "to_avro", "schema_of_avro", "from_xml", "schema_of_xml",
    # what sellers of Spark add: files, streams, other databases, models, secrets, the web
    "read_files", "read_kafka", "read_kinesis", "read_pubsub", "read_pulsar", "read_statestore", "read_state_metadata",
    "cloud_files_state", "event_log", "remote_query", "http_request", "vector_search", "secret", "try_secret",
    "list_secrets", "python_worker_logs", "input_file_name", "input_file_block_start", "input_file_block_length",
)  # fmt: skip
"""functions that run code, read files or lead elsewhere; besides them everything that begins with ``ai_``"""
TOKENS = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    rf"|(?P<call>(?:`\s*(?:{'|'.join(WORDS)}|ai_(?:[^`]|``)*)\s*`|\b(?:{'|'.join(WORDS)}|ai_\w+)\b)\s*\()"
    r"|(?P<hidden>`_metadata`|\b_metadata\b)"
    r"|(?P<name>`(?:[^`]|``)*`)"
    r"|(?P<refused>--|/\*|;|\$\{|\b[rR](?=['\"])|['\"`]|\bUSING\b(?!\s*\()|\bWITH\s*\()",
    re.DOTALL | re.IGNORECASE,
)
"""what is quoted, and what is not read: the column that tells of files; comments, raw texts and quotes without an end, which would hide what comes; a
script after USING; options of a table, which may name other files"""
READS = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)


def is_reading(statement: str) -> bool:
    """Say whether a statement reads only, and from tables only, as far as its text tells."""
    if READS.match(statement) is None or "\0" in statement:
        return False
    return not any(found["refused"] or found["call"] or found["hidden"] for found in TOKENS.finditer(statement))


def framed(statement: str) -> str:
    """Return the statement in parentheses: Spark's grammar has nothing but a query that begins with one.

    So it is whatever the statement holds, for a text that closes the parenthesis itself still began with it
    (https://github.com/apache/spark/blob/master/sql/api/src/main/antlr4/org/apache/spark/sql/catalyst/parser/SqlBaseParser.g4).
    """
    return f"(\n{statement}\n)"
