"""What the tests of the contract share: one caller for each of the ready roles, and a clean pair of indices."""

from __future__ import annotations

from typing import Any

import pytest

from imweb.accounts.models import User
from tests.api_client import Api, api_for


@pytest.fixture
def api(indices: None, analyst: User) -> Api:
    """An analyst's script."""
    return api_for(analyst)


@pytest.fixture
def lead_api(indices: None, lead: User) -> Api:
    """A team lead's script."""
    return api_for(lead)


@pytest.fixture
def admin_api(indices: None, administrator: User) -> Api:
    """An administrator's script."""
    return api_for(administrator)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Every test here talks to the servers and the database."""
    for item in items:
        if "/contract/" in str(item.fspath):
            item.add_marker(pytest.mark.django_db)
