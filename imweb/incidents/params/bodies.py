"""The shape of what a caller sends, and a sentence for each way to miss it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from imweb.errors import Detail
from imweb.incidents.params.asked import DEFAULT_SIZE

Json = dict[str, Any]
MAX_SIZE = 10_000
MAX_FROM = 2**53
# As long as the longest that we give out ourselves: a lease over 64 shards; a place behind a value of 8,191 characters.
MAX_TOKEN = 32_768
MAX_CURSOR = 49_152
M = TypeVar("M", bound=BaseModel)

Instant = Annotated[str, Field(max_length=128)] | int
SortDirection = Literal["asc", "desc"]


class AdditionalField(BaseModel):
    """One custom filter (API: Additional Fields); `exclude` is ours."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=128)
    type: Literal["number", "text", "select", "multiselect"]
    value: Any
    exclude: bool = False


class FilterParams(BaseModel):
    """The filters that the list and its statistics share."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    pit: str | None = Field(None, max_length=MAX_TOKEN)
    search_query: str | Json | None = None
    query_string: str | None = Field(None, max_length=20_000)
    additional_fields: list[AdditionalField] = Field(default_factory=list, max_length=100)
    start_time: Instant | None = "now-1d"
    end_time: Instant | None = "now"
    is_show_aggs: bool | None = None
    collapse_grouped: bool = False
    time_zone: str | None = Field(None, max_length=64)


class ListingParams(FilterParams):
    """The parameters of `incidents_full_types` (API: Retrieving Incidents and Aggregation Results)."""

    from_: int = Field(0, alias="from", ge=0, le=MAX_FROM)
    size: int = Field(DEFAULT_SIZE, ge=0, le=MAX_SIZE)
    with_total_docs: bool = False
    sort: list[dict[str, SortDirection | dict[Literal["order"], SortDirection]]] | None = Field(None, max_length=2)
    search_after: str | None = Field(None, max_length=MAX_CURSOR)
    next: str | None = Field(None, max_length=MAX_CURSOR)


class StatisticsParams(FilterParams):
    """The parameters of `stats/severity`; list parameters are taken and change nothing."""

    interval: str | None = Field(None, max_length=16)


def validated(model: type[M], raw: Mapping[str, Any], faults: list[Detail], *, lenient: bool) -> M:
    """Return the model, adding each fault; what is wrong takes its default, so that the rest is checked too."""
    values = dict(raw)
    wrong: set[str] = set()
    for _attempt in range(len(values) + 1):
        try:
            return model.model_validate(values, strict=None if not lenient else False)
        except ValidationError as error:
            before = len(values)
            for found in error.errors(include_url=False):
                name = str(found["loc"][0]) if found["loc"] else ""
                # What was taken out for being wrong is not missing besides.
                if found["type"] != "missing" or len(found["loc"]) > 1 or name not in wrong:
                    faults.append(Detail(_path(found), _sentence(found, model)))
                if name in values:
                    del values[name]
                    wrong.add(name)
            if len(values) == before:
                break
    # A required one is missing: the caller reports the faults and never looks at the values.
    return model.model_construct()


def _path(error: ErrorDetails) -> str:
    path = ""
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in ("str", "int", "dict[str,any]", "literal['asc','desc']") and not str(part).startswith(
            ("constrained", "dict[", "function", "literal[", "list[", "nullable")
        ):
            path += f".{part}" if path else str(part)
    return path


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            names = [f.alias or name for name, f in model.model_fields.items()]
            near = difflib.get_close_matches(str(error["loc"][-1]), names, n=1)
            return "unknown parameter" + (f"; did you mean '{near[0]}'?" if near else "")
        case "missing":
            return "is required"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return "a whole number"
        case "bool_type" | "bool_parsing":
            return "true or false"
        case "string_type":
            return "a text"
        case "list_type":
            return "a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "an object"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "string_too_long" | "too_long":
            unit = "characters" if error["type"] == "string_too_long" else "entries"
            return f"at most {context['max_length']} {unit}"
        case "string_too_short":
            return "not empty"
        case "literal_error":
            return f"one of {context['expected']}"
        case _:
            return error["msg"]
