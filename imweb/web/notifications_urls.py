"""The addresses of notifications: their rules, their deliveries, and the page behind the bell."""

from __future__ import annotations

from django.urls import URLPattern, path

from imweb.web import views_notices as told
from imweb.web import views_notifications as rules

urlpatterns: list[URLPattern] = [
    path("notifications/", told.notices, name="notices"),
    path("notifications/bell", told.bell, name="bell"),
    path("notifications/read", told.notices_read, name="notices-read"),
    path("settings/notifications", rules.rules, name="settings-notifications"),
    path("settings/notifications/new", rules.rule_new, name="settings-notification-new"),
    path("settings/notifications/check", rules.rule_check, name="settings-notification-check"),
    path("settings/notifications/order", rules.rules_order, name="settings-notifications-order"),
    path("settings/notifications/undo", rules.rules_undo, name="settings-notifications-undo"),
    path("settings/notifications/edit/<str:name>", rules.rule_edit, name="settings-notification"),
    path("settings/notifications/remove/<str:name>", rules.rule_remove, name="settings-notification-remove"),
    path("settings/notifications/test/<str:name>", rules.rule_test, name="settings-notification-test"),
    path("settings/notifications/deliveries", rules.deliveries, name="notification-deliveries"),
    path("settings/notifications/deliveries/retry", rules.delivery_retry, name="notification-retry"),
]
