"""The addresses of the settings pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from imweb.web import views_settings as fields

urlpatterns: list[URLPattern] = [
    path("settings/fields", fields.fields, name="settings-fields"),
    path("settings/fields/new", fields.field_new, name="settings-field-new"),
    path("settings/fields/check", fields.field_check, name="settings-field-check"),
    path("settings/fields/order", fields.fields_order, name="settings-fields-order"),
    path("settings/fields/undo", fields.fields_undo, name="settings-fields-undo"),
    path("settings/fields/edit/<str:name>", fields.field_edit, name="settings-field"),
    path("settings/fields/remove/<str:name>", fields.field_remove, name="settings-field-remove"),
]
