"""Reads the finished SQL again and proves the scope on it, knowing nothing of how it was made."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock, local

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from apps.semantic.compile.types import CompiledQuery
from apps.semantic.errors import UnprovenSqlError
from apps.semantic.model.types import SemanticModel
from apps.semantic.scope import AccessScope
from apps.semantic.verify.allowed import ALLOWED, check_node, is_of_sql_view_alone
from apps.semantic.verify.chosen import open_chosen
from apps.semantic.verify.demands import Ledger, Proof, demand, given, is_same
from apps.semantic.verify.fences import HIDDEN, is_whole_pattern
from apps.semantic.verify.labels import Label
from apps.semantic.verify.permits import permit_of, scope_key
from apps.semantic.verify.rollups import Stand
from apps.semantic.verify.selects import Prover, TopicProver
from apps.semantic.verify.stitches import CompositeProver
from apps.semantic.verify.texts import demand_texts
from apps.semantic.verify.tops import MERGED, is_apart
from apps.semantic.verify.trees import in_text_order

KEPT = 4096
KEPT_MODELS = 64
PERCENT = re.compile(r"%(.?)", re.DOTALL)
COMMENTS = ("--", "/*", "#", "{")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
MARKED = re.compile(r"'(?:[^'\\]|\\.)*'|`[^`]*`", re.DOTALL)
"""what is quoted in Spark's dialect"""
PLAIN_TEXT = re.compile(r"'(?:[^'\\]|\\['\\nrt])*'")
DIALECTS = frozenset(("postgres", "duckdb", "mysql", "spark"))
PERCENT_DIALECTS = frozenset(("postgres", "mysql"))

_kept: OrderedDict[object, Proof] = OrderedDict()
_lock = Lock()
_own = local()


def forget() -> None:
    """Forget all proofs."""
    with _lock:
        _kept.clear()


def verify(compiled: CompiledQuery, *, model: SemanticModel, scope: AccessScope) -> None:
    """Prove that a statement reads nothing outside the scope, from its text and parameters alone.

    It must be one SELECT. Wherever it reads a physical table, that stands in a subquery of its own which holds
    exactly the row policies of its view and lets out only columns of permitted fields, masked ones only as their
    masks. Each SELECT over such tables joins them as the topic does and holds the topic's policies and rules;
    SELECTs around it see only what comes out. A column that only a measure may use never leaves without an
    aggregate, a key without a count, a column of a rule not at all. The LIMIT is within the scope's; the parameters
    at the places of policies and masks are the scope's values. The shape of the text is proven once and remembered;
    parameters are compared every time.

    Raises:
        UnprovenSqlError: any of this could not be shown; the statement must not run.
    """
    stand = _stand(compiled, model, scope) if compiled.rollup is not None else None
    proof = _proof_of(compiled, model if stand is None else stand.model, scope, stand)
    if compiled.row_limit + 1 != proof.limit:
        raise UnprovenSqlError("The limit in the text is not the one promised.")
    if len(compiled.parameters) != proof.placeholder_count:
        raise UnprovenSqlError("There are not as many values as placeholders.")
    for position, value in proof.values:
        if not is_same(compiled.parameters[position], value):
            raise UnprovenSqlError("A row policy is bound to another value than the scope's.")
    if not all(is_same(compiled.parameters[one], compiled.parameters[other]) for one, other in proof.pairs):
        raise UnprovenSqlError("A rule is said twice with different values.")
    if not all(isinstance(compiled.parameters[place], str | None) for place in proof.texts):
        raise UnprovenSqlError(HIDDEN)
    if not all(is_whole_pattern(compiled.parameters[place], escape) for place, escape in proof.patterns):
        raise UnprovenSqlError(HIDDEN)
    if not all(is_apart(compiled.parameters, rest) for rest in proof.rests):
        raise UnprovenSqlError(MERGED)
    if any(compiled.parameters[position] != scope.mask_key or not scope.mask_key for position in proof.mask_keys):
        raise UnprovenSqlError("A mask is bound to another key than the scope's.")
    if scope.mask_key and compiled.parameters.count(scope.mask_key) != len(proof.mask_keys):
        raise UnprovenSqlError("The key of masks stands elsewhere than in a mask.")


_stands: OrderedDict[tuple[int, str, str], tuple[SemanticModel, Stand]] = OrderedDict()


def _stand(compiled: CompiledQuery, model: SemanticModel, scope: AccessScope) -> Stand:
    """Return what the statement may read where a rollup stands in the place of the base view that it rolls up."""
    own = model.of_topic(scope.topic)
    name = compiled.rollup or ""
    holder, topic = own.views.get(name), own.topics.get(scope.topic)
    rollup = holder.rollup if holder is not None else None
    if holder is None or rollup is None or topic is None or rollup.base_view != topic.base_view:
        raise UnprovenSqlError("A rollup is of another view.")
    key = id(own), name, topic.name
    with _lock:
        kept = _stands.get(key)
        if kept is None or kept[0] is not own:
            kept = _stands[key] = own, Stand(own, holder, topic)
            while len(_stands) > KEPT_MODELS:
                _stands.popitem(last=False)
    kept[1].demand_rules(scope, topic)
    return kept[1]


def _proof_of(compiled: CompiledQuery, model: SemanticModel, scope: AccessScope, stand: Stand | None) -> Proof:
    key = compiled.sql, compiled.shape, compiled.top, scope_key(model, scope, compiled.dialect)
    proof = _kept.get(key)
    if proof is not None and proof.model is model:
        return proof
    demand(compiled.dialect in DIALECTS, "The dialect is unknown.")
    if hashlib.sha256(compiled.sql.encode()).hexdigest() != compiled.shape:
        raise UnprovenSqlError("The shape is not that of the text.")
    proof = _prove(compiled, model, scope, stand)
    with _lock:
        _kept[key] = proof
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return proof


def _prove(compiled: CompiledQuery, model: SemanticModel, scope: AccessScope, stand: Stand | None) -> Proof:
    dialect = compiled.dialect
    text, count = driver_text(compiled.sql, dialect)
    select = _parsed(text, dialect)
    proof = Proof(model, scope)
    ledger = Ledger(proof, compiled.parameters)
    queries, odd = _numbered(select, ledger)
    proof.placeholder_count = len(ledger.placeholders)
    demand(len(ledger.placeholders) == count, "The driver would count the placeholders differently.")
    queries -= {id(node) for node in open_chosen(select, dialect, ledger)}
    composite = model.composites.get(scope.topic)
    prover: Prover = (
        TopicProver(permit_of(model, scope, dialect), ledger, compiled.top)
        if composite is None
        else CompositeProver(composite, model, scope, dialect, ledger)
    )
    outputs = prover.outputs(select)
    for name, label in outputs.items():
        demand(prover.may_answer(name), "A result column is not a permitted field.")
        demand(label is Label.OPEN, "A column is used in a way that no permitted field uses it.")
    if isinstance(prover, TopicProver):
        prover.prove_tops(select)
    demand_texts(select, ledger.masked_texts)
    for node in odd:
        if id(node) not in ledger.proven:
            check_node(node)
    demand(ledger.proven == queries | {id(node) for node in odd}, "There is a query where none belongs.")
    if stand is not None:
        stand.demand_combined(select)
    proof.limit = _limit(select, scope)
    return proof


@dataclass(frozen=True, slots=True)
class _Reader:
    """What reads a dialect; neither part may be used by two threads at once."""

    tokenizer: Tokenizer
    parser: Parser


def _reader(dialect: str) -> _Reader:
    """Return this thread's reader: making one costs as much as reading a small SELECT."""
    kept: dict[str, _Reader] = _own.__dict__
    found = kept.get(dialect)
    if found is None:
        known = Dialect.get_or_raise(dialect)
        found = kept[dialect] = _Reader(known.tokenizer(), known.parser())
    return found


def _parsed(text: str, dialect: str) -> exp.Select:
    reader = _reader(dialect)
    try:
        tokens = reader.tokenizer.tokenize(text)
        statements = reader.parser.parse(tokens, text)
    except (SqlglotError, RecursionError):
        raise UnprovenSqlError("The text cannot be read.") from None
    demand(len(statements) == 1 and type(statements[0]) is exp.Select, "The text is not one SELECT.")
    select = statements[0]
    assert isinstance(select, exp.Select)  # noqa: S101 (for the type checker; demanded above)
    if any(mark in text for mark in COMMENTS):
        demand(not any(token.comments for token in tokens), "The text holds something that is not part of the query.")
    if dialect == "mysql":
        _demand_ansi(text, tokens)
    elif dialect == "spark":
        _demand_plain(text, tokens)
    return select


def _demand_ansi(text: str, tokens: list[Token]) -> None:
    """Demand what means the same to MySQL's usual mode, which the parser knows, and to the mode of our sessions.

    In ours, double quotes hold a name and bars put texts together; the parser takes them for a text and for OR.
    """
    for token in tokens:
        is_text = token.token_type is TokenType.STRING
        demand(not is_text or text[token.start] == "'", "A text stands in double quotes.")
        demand(token.token_type is not TokenType.DPIPE, "Two bars mean one thing or another.")


def _demand_plain(text: str, tokens: list[Token]) -> None:
    """Demand what every version of Spark reads as the parser does: texts in single quotes, the usual escapes in them."""
    demand("``" not in text, "A name holds the mark that quotes it.")
    for token in tokens:
        if token.token_type is TokenType.STRING:
            written = text[token.start : token.end + 1]
            demand(PLAIN_TEXT.fullmatch(written) is not None, "A text is written in an unusual way.")


def _numbered(select: exp.Select, ledger: Ledger) -> tuple[set[int], list[exp.Expr]]:
    """Number the placeholders in the order of the text, and look at every node once.

    Returns:
        All queries in it, by identity, and what only the text of an SQL view may hold.
    """
    queries: set[int] = set()
    odd: list[exp.Expr] = []
    placeholders = ledger.placeholders
    for node in in_text_order(select):
        kind = type(node)
        if kind is exp.Placeholder:
            demand(not node.args.get("this"), "A placeholder has a name.")
            placeholders[id(node)] = len(placeholders)
        elif kind not in ALLOWED and is_of_sql_view_alone(node):
            odd.append(node)
        elif kind not in ALLOWED:
            check_node(node)
        elif kind is exp.Select or kind is exp.Union:
            queries.add(id(node))
    return queries, odd


def _limit(select: exp.Select, scope: AccessScope) -> int:
    limit = select.args.get("limit")
    number = limit.expression if type(limit) is exp.Limit else None
    demand(limit is not None and given(limit) == {"expression"}, "There is no plain LIMIT.")
    is_number = type(number) is exp.Literal and not number.is_string and number.name.isdecimal()
    demand(is_number, "There is no plain LIMIT.")
    found = int(number.name) if number is not None else 0
    demand(1 < found <= scope.max_rows + 1, "The LIMIT is beyond the scope's.")
    return found


def driver_text(sql: str, dialect: str) -> tuple[str, int]:
    """Return the text as the database reads it, placeholders left in place, and how many values the driver wants."""
    if dialect not in PERCENT_DIALECTS:
        return sql, (MARKED if dialect == "spark" else QUOTED).sub("", sql).count("?")
    marks = PERCENT.findall(sql)
    demand(all(mark in ("%", "s") for mark in marks), "A percent sign is neither doubled nor a placeholder.")
    if dialect == "postgres":
        return sql.replace("%%", "%"), marks.count("s")
    # sqlglot reads MySQL's placeholders as question marks only.
    return PERCENT.sub(lambda mark: "%" if mark[1] == "%" else "?", sql), marks.count("s")
