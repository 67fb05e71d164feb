"""The addresses of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from imweb.web import views_account as account
from imweb.web import views_attack as attack
from imweb.web import views_bulk as bulk
from imweb.web import views_card as cards
from imweb.web import views_export as export
from imweb.web import views_fold as folds
from imweb.web import views_group as groups
from imweb.web import views_keys as keys
from imweb.web import views_list as listing
from imweb.web import views_oidc as oidc
from imweb.web import views_query as query
from imweb.web import views_saved as saved
from imweb.web import views_second
from imweb.web import views_statistics as statistics
from imweb.web.notifications_urls import urlpatterns as notification_urls
from imweb.web.settings_pages.urls import urlpatterns as settings_urls

urlpatterns: list[URLPattern] = [
    path("", account.home, name="home"),
    path("login", account.sign_in, name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("login/second", views_second.second, name="second"),
    path("login/oidc", oidc.start, name="oidc"),
    path("login/oidc/back", oidc.back, name="oidc-back"),
    path("security/provider", oidc.change, name="oidc-change"),
    path("security/second", views_second.setup, name="second-setup"),
    path("security/key", views_second.key_new, name="key-new"),
    path("security/second/remove", views_second.remove, name="second-remove"),
    path("security", account.security, name="security"),
    path("preferences", account.preferences, name="preferences"),
    path("preferences/theme", account.set_theme, name="set-theme"),
    path("help", account.help_page, name="help"),
    path("incidents/", listing.incidents, name="incidents"),
    path("incidents/list/news", listing.news, name="list-news"),
    path("incidents/list/members/<str:result_id>", listing.members, name="list-members"),
    path("incidents/list/fold", folds.fold, name="list-fold"),
    path("incidents/list/fold/change", folds.change, name="list-fold-change"),
    path("incidents/list/remember", listing.remember_list, name="list-remember"),
    path("incidents/list/leave", listing.leave, name="list-leave"),
    *settings_urls,
    *notification_urls,
    path("incidents/suggestions", query.suggestions, name="suggestions"),
    path("views/", saved.views, name="views"),
    path("views/save", saved.save, name="view-save"),
    path("views/<int:view_id>", saved.change, name="view-change"),
    path("incidents/export", export.export, name="export"),
    path("incidents/bulk/", bulk.change, name="bulk"),
    path("incidents/bulk/recent", bulk.recent, name="bulk-recent"),
    path("incidents/bulk/<str:task_id>", bulk.progress, name="bulk-task"),
    path("incidents/bulk/<str:task_id>/undo", bulk.take_back, name="bulk-undo"),
    path("groups/", groups.groups, name="groups"),
    path("statistics/", statistics.show, name="statistics"),
    path("attack/", attack.attack, name="attack"),
    path("attack/layer", attack.attack_layer, name="attack-layer"),
    # Last, so that no page of a fixed name is taken for an incident.
    path("incidents/<str:doc_id>/", cards.card, name="card"),
    path("incidents/<str:doc_id>/change", cards.change_incident, name="card-change"),
    path("incidents/<str:doc_id>/history", cards.incident_history, name="card-history"),
    path("incidents/<str:doc_id>/key/<str:act>", keys.incident, name="card-key"),
    path("incidents/<str:doc_id>/undo/<str:change>", keys.undo_incident, name="card-undo"),
    path("incidents/<str:doc_id>/delete", cards.delete, name="card-delete"),
    path("aggregations/<str:doc_id>/", cards.aggregation, name="aggregation"),
    path("aggregations/<str:doc_id>/change", cards.change_aggregation, name="aggregation-change"),
    path("aggregations/<str:doc_id>/history", cards.aggregation_history, name="aggregation-history"),
    path("aggregations/<str:doc_id>/key/<str:act>", keys.aggregation, name="aggregation-key"),
    path("aggregations/<str:doc_id>/undo/<str:change>", keys.undo_aggregation, name="aggregation-undo"),
    path("severities.css", account.severities_css, name="severities-css"),
]
