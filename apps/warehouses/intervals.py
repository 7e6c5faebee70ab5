"""Intervals as text."""


def interval(months: int, days: int, microseconds: int) -> str:
    """Write an interval in ISO 8601, each part with its own sign: ``P1Y2M3DT4H5M6.5S``, ``PT0S`` when it is empty."""
    years, months = _split(months, 12)
    seconds, rest = _split(microseconds, 1_000_000)
    minutes, seconds = _split(seconds, 60)
    hours, minutes = _split(minutes, 60)
    date = "".join(f"{number}{unit}" for number, unit in ((years, "Y"), (months, "M"), (days, "D")) if number)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if seconds or rest:
        sign, fraction = "-" if microseconds < 0 else "", f".{abs(rest):06}".rstrip("0") if rest else ""
        time += f"{sign}{abs(seconds)}{fraction}S"
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _split(number: int, size: int) -> tuple[int, int]:
    """Divide towards zero, so that both parts have the number's sign."""
    whole, rest = divmod(abs(number), size)
    return (whole, rest) if number >= 0 else (-whole, -rest)
