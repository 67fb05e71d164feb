"""What a row of the list says, in words that can be understood without the field's path."""

from __future__ import annotations

import pytest

from imweb.web.listing.rows import facts


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rule.id": "7", "entities.host": "WS-1"}, "same rule, host"),
        ({"rule.id": "7", "rule.name": "R", "entities.source_ip": "::1"}, "same rule, source ip"),
        ({"mitre": "T1", "source": "edr"}, "same ATT&CK, source"),
        ({"cost_centre": "7"}, "same cost centre"),
    ],
)
def test_a_group_says_what_its_incidents_share(fields: dict[str, str], said: str) -> None:
    assert facts({"comparison_fields": fields}, 0) == said
