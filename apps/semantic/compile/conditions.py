"""Conditions become SQL. Values are checked against the field's type and bound, never written.

A negated condition is the exact complement: a row with an empty value that does not meet
``is: paid`` meets ``not: paid``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlglot import exp

from apps.semantic.compile.dialects.frames import framed, local
from apps.semantic.compile.moments import Calendar, Period, length, shifted
from apps.semantic.compile.nodes import all_hold, any_holds, call, cast, operand
from apps.semantic.compile.values import Values
from apps.semantic.errors import MalformedQueryError
from apps.semantic.model.types import FALSEY, Condition, FieldType, Scalar

COMPARISONS: dict[str, type[exp.Binary]] = {
    "greater_than": exp.GT,
    "greater_than_or_equal_to": exp.GTE,
    "less_than": exp.LT,
    "less_than_or_equal_to": exp.LTE,
}
PATTERNS = {"contains": "%{}%", "starts_with": "{}%", "ends_with": "%{}", "sql_like": "{}"}
# Operator: timeframe, least and most.
CALENDAR = {
    "day_of_week": ("day_of_week_num", 1, 7),
    "day_of_month": ("day_of_month", 1, 31),
    "day_of_quarter": ("day_of_quarter", 1, 92),
    "day_of_year": ("day_of_year", 1, 366),
    "hour_of_day": ("hour_of_day", 0, 23),
    "month_of_year": ("month_num", 1, 12),
    "quarter_of_year": ("quarter_of_year", 1, 4),
}
NAMES = {
    "day_of_week": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "month_of_year": ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                      "november", "december"),
}  # fmt: skip
# A backslash means different things to different databases.
ESCAPE = "!"
TIME_TYPES = ("date", "timestamp")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition speaks of.

    Attributes:
        sql: makes a fresh tree of the field each time.
        type: of the field.
        zone: IANA name when the column holds UTC and the values are meant locally, else None.
        path: where a fault is reported.
        folds_case: texts are compared in lower case; ``sql`` gives it so.
    """

    sql: Callable[[], exp.Expr]
    type: FieldType
    path: str
    zone: str | None = None
    folds_case: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """Translates conditions for one statement."""

    values: Values
    calendar: Calendar
    dialect: str = "duckdb"

    def translate(self, condition: Condition, subject: Subject) -> exp.Expr:
        """Return the predicate.

        Raises:
            MalformedQueryError: the operator or a value does not suit the field.
        """
        operator = condition.operator
        if operator in ("and", "or"):
            return self._combined(condition, subject)
        if operator == "not" or operator.startswith("not_"):
            positive = replace(condition, operator=operator[4:] or "is")
            return exp.Not(this=call("COALESCE", self.translate(positive, subject), exp.Boolean(this=False)))
        return self._single(operator, condition.values, _folding(subject) if condition.is_case_insensitive else subject)

    def _combined(self, condition: Condition, subject: Subject) -> exp.Expr:
        if not condition.children:
            raise MalformedQueryError("There is nothing to combine.", subject.path)
        children = [self.translate(child, subject) for child in condition.children]
        return any_holds(children) if condition.operator == "or" else exp.Paren(this=all_hold(children))

    def _single(self, operator: str, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        if operator == "is":
            return self._is(values, subject)
        if operator in PATTERNS:
            return self._like(operator, values, subject)
        if operator in CALENDAR:
            return self._on_the_calendar(operator, values, subject)
        if operator in COMPARISONS or operator == "between":
            return self._compared(operator, values, subject)
        if operator in ("before", "on_or_after", "between_dates", "time_for_duration"):
            return self._dated(operator, values, subject)
        raise MalformedQueryError("There is no such operator.", subject.path)

    def _is(self, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        if values == (FALSEY,) and subject.type in ("boolean", "unknown"):
            return any_holds((self._is((False,), subject), self._is((None,), subject)))
        given = [value for value in values if value is not None]
        found = [self._is_any(given, subject)] if given else []
        if len(given) < len(values):
            found.append(exp.Is(this=operand(subject.sql()), expression=exp.Null()))
        return found[0] if len(found) == 1 else any_holds(found)

    def _is_any(self, values: Sequence[Scalar], subject: Subject) -> exp.Expr:
        if subject.type in TIME_TYPES:
            return any_holds([self._within(self._period(value, subject), subject) for value in values])
        for value in values:
            _check_value(value, subject)
        given = [value.lower() if subject.folds_case and isinstance(value, str) else value for value in values]
        return exp.In(this=operand(subject.sql()), expressions=[self.values.bind(value) for value in given])

    def _like(self, operator: str, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        if subject.type not in ("string", "unknown") or not values:
            raise MalformedQueryError("This operator is for texts.", subject.path)
        return any_holds([self._matches(PATTERNS[operator], value, subject) for value in values])

    def _matches(self, pattern: str, value: Scalar, subject: Subject) -> exp.Expr:
        if not isinstance(value, str):
            raise MalformedQueryError("This must be a text.", subject.path)
        value = value.lower() if subject.folds_case else value
        # In sql_like the percent sign and the underscore are meant.
        for letter in (ESCAPE,) if pattern == "{}" else (ESCAPE, "%", "_"):
            value = value.replace(letter, ESCAPE + letter)
        like = exp.Like(this=operand(subject.sql()), expression=self.values.bind(pattern.format(value)))
        return exp.Escape(this=like, expression=exp.Literal.string(ESCAPE))

    def _compared(self, operator: str, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        wanted = 2 if operator == "between" else 1
        if subject.type not in ("number", "unknown") or len(values) != wanted:
            raise MalformedQueryError("This operator is for numbers.", subject.path)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise MalformedQueryError("This must be a number.", subject.path)
        if operator == "between":
            return self._range(exp.GTE, values[0], exp.LTE, values[1], subject)
        return COMPARISONS[operator](this=operand(subject.sql()), expression=self.values.bind(values[0]))

    def _range(
        self, lower: type[exp.Binary], low: Scalar, upper: type[exp.Binary], high: Scalar, subject: Subject
    ) -> exp.Expr:
        return exp.Paren(
            this=exp.And(
                this=lower(this=operand(subject.sql()), expression=self.values.bind(low)),
                expression=upper(this=operand(subject.sql()), expression=self.values.bind(high)),
            )
        )

    def _dated(self, operator: str, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        wanted = 1 if operator in ("before", "on_or_after") else 2
        if subject.type not in (*TIME_TYPES, "unknown") or len(values) != wanted:
            raise MalformedQueryError("This operator is for dates.", subject.path)
        start = self._period(values[0], subject).start
        if operator == "before":
            return self._bound(exp.LT, start, subject)
        if operator == "on_or_after":
            return self._bound(exp.GTE, start, subject)
        if operator == "between_dates":
            return self._within(Period(start, self._period(values[1], subject).start), subject)
        return self._within(Period(start, _end(start, values[1], subject)), subject)

    def _within(self, period: Period, subject: Subject) -> exp.Expr:
        if period.end is None:
            return self._bound(exp.EQ, period.start, subject)
        lower, upper = self._bound(exp.GTE, period.start, subject), self._bound(exp.LT, period.end, subject)
        return exp.Paren(this=exp.And(this=lower, expression=upper))

    def _bound(self, comparison: type[exp.Binary], moment: datetime, subject: Subject) -> exp.Expr:
        if subject.zone is not None:
            moment = _in_utc(moment, subject.zone, subject.path)
        if subject.type == "date":
            value = cast(self.values.bind(_day(comparison, moment, subject)), exp.DType.DATE)
        else:
            value = cast(self.values.bind(moment.isoformat(sep=" ")), exp.DType.TIMESTAMP)
        return comparison(this=operand(subject.sql()), expression=value)

    def _on_the_calendar(self, operator: str, values: tuple[Scalar, ...], subject: Subject) -> exp.Expr:
        if subject.type not in (*TIME_TYPES, "unknown") or not values:
            raise MalformedQueryError("This operator is for dates.", subject.path)
        timeframe, least, most = CALENDAR[operator]
        numbers = [self._calendar_number(operator, value, least, most, subject) for value in values]
        node = subject.sql()
        if subject.zone is not None:
            zone = cast(self.values.bind(subject.zone), exp.DType.TEXT)
            node = local(node, subject.type, zone, dialect=self.dialect)
        week_start = self.calendar.week_start
        part = framed(node, timeframe, week_start=week_start, fiscal_offset=0, dialect=self.dialect)
        return exp.In(this=operand(part), expressions=[self.values.bind(number) for number in numbers])

    def _calendar_number(self, operator: str, value: Scalar, least: int, most: int, subject: Subject) -> int:
        names = NAMES.get(operator, ())
        if isinstance(value, str) and value.strip().lower() in names:
            place = names.index(value.strip().lower())
            return (place - self.calendar.week_start) % 7 + 1 if operator == "day_of_week" else place + 1
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise MalformedQueryError(f"This must be a whole number from {least} to {most}.", subject.path)
        return value

    def _period(self, value: Scalar, subject: Subject) -> Period:
        if not isinstance(value, str):
            raise MalformedQueryError("This must be a date.", subject.path)
        try:
            return self.calendar.period(value)
        except (ValueError, OverflowError):
            raise MalformedQueryError("This is not a date that exists.", subject.path) from None


def _folding(subject: Subject) -> Subject:
    """Return a text in lower case; other types have no case."""
    if subject.type not in ("string", "unknown"):
        return subject
    return replace(subject, sql=lambda: exp.Lower(this=subject.sql()), folds_case=True)


def _end(start: datetime, value: Scalar, subject: Subject) -> datetime:
    try:
        return shifted(start, *length(value if isinstance(value, str) else ""))
    except (ValueError, OverflowError):
        raise MalformedQueryError("This is not a length of time such as “90 days”.", subject.path) from None


def _in_utc(moment: datetime, zone: str, path: str) -> datetime:
    """Return the moment in UTC at which clocks in a zone show another."""
    try:
        return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise MalformedQueryError("This is not a date that exists.", path) from None


def _day(comparison: type[exp.Binary], moment: datetime, subject: Subject) -> str | None:
    """Return the day to compare days with in a moment's stead: a day begins before the moments in it.

    So what is before noon, or not, is divided by the next day; and no day is noon.
    """
    if moment.time() == time():
        return moment.date().isoformat()
    if comparison is exp.EQ:
        return None
    try:
        return (moment.date() + timedelta(days=1)).isoformat()
    except OverflowError:
        raise MalformedQueryError("This is not a date that exists.", subject.path) from None


def _check_value(value: Scalar, subject: Subject) -> None:
    if subject.type == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise MalformedQueryError("This must be a number.", subject.path)
    if subject.type == "boolean" and not isinstance(value, bool):
        raise MalformedQueryError("This must be true or false.", subject.path)
    if subject.type == "string" and not isinstance(value, str):
        raise MalformedQueryError("This must be a text.", subject.path)
