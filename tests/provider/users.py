"""The provider's users: by name, what it tells of each. `twist` is what is wrong with his ID tokens (`tokens.py`)."""

from __future__ import annotations

from typing import Any

FIRST_LINE = "CN=First line,OU=SOC,DC=example"
GROUPS = {FIRST_LINE: ["analyst"], "leads": ["lead", "analyst"], "mistaken": ["no-such-role"]}
"""What `IM_OIDC_ROLES` says in the tests."""
TWISTS = ("nonce", "no-nonce", "audience", "issuer", "old", "subject", "unsigned", "forged", "other-subject")
USERS: dict[str, dict[str, Any]] = {
    "nina": {
        "groups": [FIRST_LINE, "canteen"],
        "claims": {"email": "nina@example.test", "given_name": "Nina", "family_name": "Noor"},
    },
    "omar": {"groups": ["leads"], "claims": {"email": "omar@example.test", "email_verified": False}},
    "outsider": {"groups": ["canteen"]},
    "groupless": {"claims": {"groups": None}},
    # Groups in the user info alone, as some providers have it.
    "told": {"claims": {"groups": None}, "told": ["leads"]},
    "one-group": {"claims": {"groups": "leads"}},
    "analyst": {"groups": ["leads"], "claims": {"email": "analyst@example.test"}},
    "Admin": {"groups": ["leads"]},
    "spaces": {"groups": ["leads"], "claims": {"preferred_username": "two words"}},
    **{f"twist-{twist}": {"groups": ["leads"], "twist": twist} for twist in TWISTS},
}
