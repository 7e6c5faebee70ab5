"""Which tables of a source are stored. What a view of the source holds is worked out, and may fail, whenever it is read."""

from collections.abc import Iterable

from apps.semantic.model.types import View


class StoredTables:
    """The tables of a source, as last looked at; what is not among them may be anything.

    A name without a schema means whichever table the database finds by it, and one whose schema is each person's own any
    of them: such a table is stored where all of that name are.
    """

    def __init__(self, tables: Iterable[tuple[str, str, bool]]) -> None:
        """Take schema, name, and whether all of its columns are stored."""
        self._by_name: dict[str, list[tuple[str, bool]]] = {}
        for schema, name, is_stored in tables:
            self._by_name.setdefault(name.casefold(), []).append((schema.casefold(), is_stored))

    def has(self, view: View) -> bool:
        """Say whether a view of the model is over a table that is stored."""
        if view.catalog is not None:
            return False
        schema = view.schema.casefold() if view.schema is not None and view.schema_attribute is None else None
        named = self._by_name.get(view.table_name.casefold(), ())
        found = [is_stored for written, is_stored in named if schema is None or written == schema]
        return bool(found) and all(found)
