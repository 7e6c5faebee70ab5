"""What a browser says of itself, in words that its owner recognizes."""

from ua_parser import parse

UNKNOWN = "unknown browser"


def browser_words(user_agent: str) -> str:
    """Return, for example, ``Firefox 128 on Windows``; a claim of the browser's, never proof of anything."""
    found = parse(user_agent) if user_agent else None
    if found is None or found.user_agent is None:
        return UNKNOWN
    name = " ".join(part for part in (found.user_agent.family, found.user_agent.major) if part)
    system = found.os.family if found.os is not None and found.os.family != "Other" else ""
    return f"{name} on {system}" if system else name
