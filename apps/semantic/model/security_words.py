"""Parameters that close something, and names that look like them: where one is not understood, the model is refused.

An author who writes ``access_filter`` believes that rows are closed. A warning would leave them open.
"""

import re
from difflib import get_close_matches

WORDS = (
    "access_grants", "access_filters", "required_access_grants", "mask_unless_access_grants", "mask",
    "always_where_sql", "always_where_filters", "always_having_sql", "always_having_filters", "where_sql",
    "classification", "classification_access", "hidden_unless_access_grants", "default_topic_access_filters",
    "default_topic_required_access_grants", "default_topic_hidden_unless_access_grants", "user_attribute",
    "allowed_values", "values_for_unfiltered", "access_boostable", "dynamic_schemas",
)  # fmt: skip
"""of the format, and ``mask`` and ``classification`` of ours"""
FOREIGN = {
    "access_policies": "access_filters", "row_policies": "access_filters", "row_policy": "access_filters",
    "row_filters": "access_filters", "row_filter": "access_filters", "row_level_security": "access_filters",
    "row_security": "access_filters", "rls": "access_filters", "security_filters": "access_filters",
    "access": "required_access_grants", "grants": "required_access_grants", "permissions": "required_access_grants",
    "required_permissions": "required_access_grants", "required_grants": "required_access_grants",
    "column_level_security": "required_access_grants", "masked": "mask_unless_access_grants",
    "masking": "mask_unless_access_grants", "mask_unless": "mask_unless_access_grants",
    "sql_always_where": "always_where_sql", "sql_always_having": "always_having_sql",
    "always_filter": "always_where_filters", "always_filters": "always_where_filters", "sql_where": "always_where_sql",
    "where": "always_where_sql", "always_where": "always_where_sql", "always_having": "always_having_sql",
}  # fmt: skip
"""what other systems, and memory, call them → the word of the format"""
STEMS = {
    "unless_access": "mask_unless_access_grants", "access_grant": "required_access_grants",
    "access_filter": "access_filters", "access_polic": "access_filters", "row_polic": "access_filters",
    "row_level": "access_filters", "always_where": "always_where_sql", "always_having": "always_having_sql",
}  # fmt: skip
"""parts of names that no other parameter has"""
ALIKE = 0.8
COMPARED = (*WORDS, *(name for name in FOREIGN if len(name) > 5))
"""short words are like too many others"""
LONGEST = max(map(len, COMPARED)) + 10
"""letters; a longer name is none of these words written wrongly"""
SEPARATORS = re.compile(r"[^a-z0-9]+")
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def security_word(name: str) -> str:
    """Return the word of security that a parameter's name is, or looks like; nothing for other names."""
    plain = SEPARATORS.sub("_", HUMP.sub("_", name).lower()).strip("_")
    near = get_close_matches(plain, COMPARED, n=1, cutoff=ALIKE) if len(plain) <= LONGEST else []
    found = plain if plain in WORDS or plain in FOREIGN else near[0] if near else ""
    if not found:
        found = next((word for stem, word in STEMS.items() if stem in plain), "")
    return FOREIGN.get(found, found)
