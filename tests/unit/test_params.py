"""Parameters of a request: every fault is told at once, and a refused clause is told apart from a wrong parameter."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.errors import QueryRejected, ValidationFailed
from imweb.incidents.fields import Registry, custom_field
from imweb.incidents.params import Bounds, Sort, number_bounds, parse_listing, parse_sort

REGISTRY = Registry.build([custom_field("risk", "number", "Risk"), custom_field("labels", "multiselect", "Labels")])
SCRIPT: dict[str, Any] = {"bool": {"must": [{"script": {}}]}}


def listing(**body: Any) -> Any:
    return parse_listing(body, registry=REGISTRY, zone="UTC")


def test_all_faults_of_a_request_are_told_together(db: None) -> None:
    with pytest.raises(ValidationFailed) as caught:
        listing(
            search_query=SCRIPT,
            query_string="severiti:high",
            start_time="someday",
            size=-1,
            additional_fields=[{"name": "risk", "type": "number", "value": "many"}],
            sort=[{"nothing": "asc"}],
            strange=1,
        )
    assert {detail.field for detail in caught.value.details} == {
        "search_query.bool.must[0].script",
        "query_string",
        "start_time",
        "size",
        "additional_fields[0].value",
        "sort[0]",
        "strange",
    }


def test_a_refused_clause_alone_is_query_rejected() -> None:
    with pytest.raises(QueryRejected) as caught:
        listing(search_query=SCRIPT)
    assert [detail.field for detail in caught.value.details] == ["search_query.bool.must[0].script"]


def test_the_place_in_a_search_text_counts_its_blanks(db: None) -> None:
    with pytest.raises(ValidationFailed) as caught:
        listing(query_string="   (a")
    assert caught.value.details[0].extra["position"] == 5


def test_a_key_twice_in_a_json_text_is_refused() -> None:
    with pytest.raises(ValidationFailed) as caught:
        listing(search_query='{"match_all": {}, "match_all": {}}')
    assert "twice" in caught.value.details[0].reason


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (5, 5.0),
        ("5", 5.0),
        (">=5", Bounds(gte=5)),
        (">5", Bounds(gt=5)),
        ("<=5", Bounds(lte=5)),
        ("5..10", Bounds(gte=5, lte=10)),
        ("..10", Bounds(lte=10)),
        ("-3..", Bounds(gte=-3)),
    ],
)
def test_numbers_and_ranges(value: Any, bounds: Any) -> None:
    assert number_bounds(value) == bounds


@pytest.mark.parametrize("value", [True, None, [], "", "..", "x", "10..5", "nan", ">=inf", "1" * 101, 10**400])
def test_what_is_no_number_or_range(value: Any) -> None:
    with pytest.raises(ValueError, match="range"):
        number_bounds(value)


def test_an_order() -> None:
    assert parse_sort("severity:desc", REGISTRY) == Sort("severity", True, True)
    assert parse_sort("risk:asc,@timestamp:asc", REGISTRY) == Sort("risk", False, False)


@pytest.mark.parametrize("text", ["severity", "nothing:asc", "labels:asc", "risk:asc,severity:asc", "[", "risk:up"])
def test_what_is_no_order(text: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_sort(text, REGISTRY)
    assert caught.value.details[0].field.startswith("sort")
