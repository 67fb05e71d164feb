"""The application of users, roles and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, roles and API tokens."""

    name = "imweb.accounts"
    verbose_name = "Accounts"
