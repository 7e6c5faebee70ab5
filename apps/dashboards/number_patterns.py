"""Numbers by a spreadsheet's pattern (``#,##0.0 "kg";(#,##0.0)``), as models write them.

Reference: ECMA-376, part 1, 18.8.31 (number formats). Dates, elapsed times and fractions are not among them: whoever
asks for one of those has the number as it is.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne

PART = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<room>.)|\*(?P<filler>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<power>[Ee][+-])|(?P<place>[0#?])|(?P<other>.)",
    re.DOTALL,
)
CONDITION = re.compile(r"(?P<sign><=|>=|<>|<|>|=)\s*(?P<number>-?\d+(?:\.\d+)?)")
CURRENCY = re.compile(r"\$(?P<symbol>[^-\]]*)(?:-[0-9A-Fa-f]+)?")
COLOUR = re.compile(r"(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d{1,2})", re.IGNORECASE)
SIGNS = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "<>": ne}
PLAIN = frozenset(" $€£¥+-−–(){}:'~^&!<>=|")
"""what stands for itself without quotation marks"""
MAX_LENGTH = 200
MAX_PLACES = 30
MAX_DIGITS = 400
"""more than the largest float has; a number of more is written as it is"""
EXACT = Context(prec=MAX_DIGITS * 2, rounding=ROUND_HALF_UP)


class UnreadablePatternError(ValueError):
    """This is no pattern of numbers, or one of those that are not written here."""


@dataclass(frozen=True, slots=True)
class Section:
    """One of up to three parts between semicolons. ``parts`` are texts and places (``0``, ``#``, ``?``, ``.``)."""

    parts: tuple[tuple[str, bool], ...]
    """(text, whether it is a place of the number)"""
    whole: int
    fraction: int
    power: int
    """digits of the exponent; 0 where there is none"""
    has_commas: bool
    scale: Decimal
    condition: tuple[str, Decimal] | None = None

    @property
    def has_places(self) -> bool:
        return bool(self.whole or self.fraction)


def is_number_pattern(format_name: str | None) -> bool:
    """Say whether a format of the model is a pattern that numbers are written by."""
    try:
        return bool(format_name) and bool(read_pattern(format_name or ""))
    except UnreadablePatternError:
        return False


@lru_cache(maxsize=512)
def read_pattern(pattern: str) -> tuple[Section, ...]:
    """Read a pattern into its sections.

    Raises:
        UnreadablePatternError: it is none, or asks for a date, an elapsed time or a fraction.
    """
    if len(pattern) > MAX_LENGTH or not pattern.strip():
        raise UnreadablePatternError
    sections = tuple(_section(text) for text in _between_semicolons(pattern))
    if len(sections) > 4 or not any(section.has_places for section in sections):  # numbers have three, texts the fourth
        raise UnreadablePatternError
    return sections[:3]


def _between_semicolons(pattern: str) -> list[list[re.Match[str]]]:
    found: list[list[re.Match[str]]] = [[]]
    for part in PART.finditer(pattern):
        if part["other"] == ";":
            found.append([])
        else:
            found[-1].append(part)
    return found


def _section(given: list[re.Match[str]]) -> Section:
    parts: list[tuple[str, bool]] = []
    condition: tuple[str, Decimal] | None = None
    for part in given:
        if part["bracket"] is not None:
            text, condition = _bracket(part["bracket"], condition)
            parts.append((text, False))
        elif part["quoted"] is not None or part["escaped"] is not None:
            parts.append((part["quoted"] or part["escaped"] or "", False))
        elif part["room"] is not None:
            parts.append((" ", False))
        elif part["place"] is not None or part["power"] is not None or part["other"] in (".", ","):
            parts.append((part[0], True))
        elif part["other"] == "%" or part["other"] in PLAIN:
            parts.append((part[0], False))
        elif part["filler"] is None and part["other"] != "@":
            raise UnreadablePatternError
    percents = sum(part["other"] == "%" for part in given)
    return _measured(parts, percents, condition)


def _bracket(text: str, condition: tuple[str, Decimal] | None) -> tuple[str, tuple[str, Decimal] | None]:
    """Return what a bracket writes, and the condition that it sets; colours write nothing here."""
    if found := CONDITION.fullmatch(text):
        return "", (found["sign"], Decimal(found["number"]))
    if found := CURRENCY.fullmatch(text):
        return found["symbol"], condition
    if COLOUR.fullmatch(text):
        return "", condition
    raise UnreadablePatternError


def _measured(parts: list[tuple[str, bool]], percents: int, condition: tuple[str, Decimal] | None) -> Section:
    """Count places; commas between digits group them, commas after the last digit divide by a thousand each."""
    places = "".join(text[0] if is_place else "" for text, is_place in parts)
    mantissa, power, exponent = places.partition("E") if "E" in places else places.partition("e")
    whole, _, fraction = mantissa.partition(".")
    is_exponent = not power or (bool(exponent) and set(exponent) <= set("0#?"))
    if mantissa.count(".") > 1 or not is_exponent or len(places) > MAX_PLACES:
        raise UnreadablePatternError
    trailing = len(mantissa) - len(mantissa.rstrip(",")) if fraction else len(whole) - len(whole.rstrip(","))
    grouped = whole.strip(",")
    return Section(
        parts=tuple(part for part in parts if part != (",", True)),
        whole=len(whole.replace(",", "")),
        fraction=len(fraction.replace(",", "")),
        power=len(exponent),
        has_commas="," in grouped,
        scale=Decimal(100) ** percents / Decimal(1000) ** trailing,
        condition=condition,
    )


def format_by_number_pattern(value: float | Decimal, pattern: str) -> str:
    """Write a number by a pattern.

    Raises:
        UnreadablePatternError: see ``is_number_pattern``.
    """
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        return str(value)
    with localcontext(EXACT):
        return _format(number, pattern)


def _format(number: Decimal, pattern: str) -> str:
    section, says_sign = _chosen(read_pattern(pattern), number)
    magnitude = abs(number) * section.scale
    digits, exponent = _digits(magnitude, section)
    text = _written(section, digits, exponent) if section.has_places else _texts(section)
    is_nothing = not any(letter in "123456789" for letter in digits)
    return f"−{text}" if number < 0 and says_sign and section.has_places and not is_nothing else text


def _chosen(sections: tuple[Section, ...], number: Decimal) -> tuple[Section, bool]:
    """Return the section of a number, and whether the sign is for us to write."""
    if any(section.condition for section in sections):
        for section in sections:
            if section.condition is None or SIGNS[section.condition[0]](number, section.condition[1]):
                return section, not _is_below_zero(section)
        return sections[-1], True
    if number < 0 and len(sections) > 1:
        return sections[1], False
    if number == 0 and len(sections) > 2:  # the third is for zero
        return sections[2], False
    return sections[0], True


def _is_below_zero(section: Section) -> bool:
    """Say whether a section is for negative numbers alone: it says so in its own way."""
    return section.condition is not None and section.condition[0] in ("<", "<=") and section.condition[1] <= 0


def _texts(section: Section) -> str:
    return "".join(text for text, is_place in section.parts if not is_place)


def _digits(magnitude: Decimal, section: Section) -> tuple[str, int]:
    """Return the rounded digits, with a point where there are some behind it, and the power of ten beside them."""
    unit = Decimal(1).scaleb(-section.fraction)
    if not section.power or not magnitude:
        return f"{magnitude.quantize(unit):f}", 0
    # As many digits before the point as there are places: none for “.0E+0”, up to three for “##0.0E+0”.
    step, shift = max(section.whole, 1), 1 if not section.whole else 0
    exponent = (magnitude.adjusted() // step) * step + shift
    rounded = magnitude.scaleb(-exponent).quantize(unit)
    if rounded.adjusted() >= step - shift:  # 9.99 was rounded up to 10.0
        exponent += step
        rounded = rounded.scaleb(-step).quantize(unit)
    return f"{rounded:f}", exponent


def _written(section: Section, digits: str, exponent: int) -> str:
    """Put digits into the places, from the point outwards; the first place takes all that are left over."""
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0")
    heads, tails, powers = _places(section)
    filled = _fill_whole(whole, [section.parts[place][0] for place in heads], has_commas=section.has_commas)
    written = dict(zip(heads, filled, strict=True))
    written |= dict(zip(tails, _fill_fraction(fraction, [section.parts[place][0] for place in tails]), strict=True))
    if powers:
        padded = str(abs(exponent)).rjust(len(powers), "0")
        first = len(padded) - len(powers) + 1
        written |= dict(zip(powers, [padded[:first], *padded[first:]], strict=True))
    return "".join(
        written.get(place, _power_sign(text, exponent) if is_place and text != "." else text)
        for place, (text, is_place) in enumerate(section.parts)
    )


def _power_sign(text: str, exponent: int) -> str:
    return text[0] + ("-" if exponent < 0 else "+" if text[1:] == "+" else "")


def _places(section: Section) -> tuple[list[int], list[int], list[int]]:
    """Return where the places stand: before the point, behind it, and those of the exponent."""
    heads: list[int] = []
    tails: list[int] = []
    powers: list[int] = []
    current = heads
    for place, (text, is_place) in enumerate(section.parts):
        if is_place and text == ".":
            current = tails
        elif is_place and text[0] in "Ee":
            current = powers
        elif is_place:
            current.append(place)
    return heads, tails, powers


def _fill_whole(whole: str, places: list[str], *, has_commas: bool) -> list[str]:
    if not places:
        return []
    left, filled = whole, []
    first_filler = next((place for place, kind in enumerate(places) if kind != "#"), len(places))
    for place in range(len(places) - 1, -1, -1):
        position = len(places) - 1 - place
        digit = left[-1:] or ("" if place < first_filler else {"0": "0", "?": " ", "#": ""}[places[place]])
        digit = digit or ("0" if place > first_filler else "")
        left = left[:-1]
        comma = "," if has_commas and position and position % 3 == 0 and digit.isdigit() else ""
        filled.append((digit + comma, position))
    rest = len(places)
    head = ""
    while left:
        comma = "," if has_commas and rest % 3 == 0 else ""
        head = left[-1] + comma + head
        left, rest = left[:-1], rest + 1
    texts = [text for text, _ in reversed(filled)]
    return [head + texts[0], *texts[1:]]


def _fill_fraction(fraction: str, places: list[str]) -> list[str]:
    """Leave out zeros at the end where the place is ``#``; ``?`` keeps their room."""
    last = len(fraction.rstrip("0"))
    kinds = {"0": "0", "?": " ", "#": ""}
    return [
        digit if place < last or "0" in places[place:] else kinds[kind]
        for place, (digit, kind) in enumerate(zip(fraction, places, strict=True))
    ]
