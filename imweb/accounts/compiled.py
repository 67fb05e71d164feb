"""A query that is built once and asked many times: for the one in the way of every call of a script.

Django makes SQL out of a query anew each time it is asked, which took four times as long as the database's answer
(token, user, roles of his own and of his groups: nine tables).
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet


class CompiledQuery:
    """A `values_list` whose filter compares with `PLACE` exactly once; `rows` asks it with another text there."""

    PLACE = "\N{REPLACEMENT CHARACTER}"

    def __init__(self, queryset: QuerySet[Any, tuple[Any, ...]], alias: str = DEFAULT_DB_ALIAS) -> None:
        self._alias = alias
        compiler = queryset.using(alias).query.get_compiler(alias)
        self._sql, params = compiler.as_sql()
        self._params = tuple(params)
        if self._params.count(self.PLACE) != 1:
            raise ValueError("the query must compare with PLACE exactly once")
        self._converters = compiler.get_converters([column[0] for column in compiler.select])

    def rows(self, value: str) -> list[list[Any]]:
        """Return the rows for a value, their columns converted as Django does."""
        connection = connections[self._alias]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [value if item == self.PLACE else item for item in self._params])
            found = [list(row) for row in cursor.fetchall()]
        for row in found:
            for place, (converters, expression) in self._converters.items():
                for convert in converters:
                    row[place] = convert(row[place], expression, connection)
        return found
