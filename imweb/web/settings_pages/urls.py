"""The addresses of the settings pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from imweb.web import views_audit as audit
from imweb.web import views_settings as fields
from imweb.web import views_settings_access as access
from imweb.web import views_settings_grouping as grouping
from imweb.web import views_settings_groups as groups
from imweb.web import views_settings_links as links
from imweb.web import views_settings_people as people
from imweb.web import views_settings_severities as levels
from imweb.web import views_settings_system as system
from imweb.web import views_settings_types as types
from imweb.web import views_settings_workflows as flows

urlpatterns: list[URLPattern] = [
    path("settings/fields", fields.fields, name="settings-fields"),
    path("settings/fields/new", fields.field_new, name="settings-field-new"),
    path("settings/fields/check", fields.field_check, name="settings-field-check"),
    path("settings/fields/order", fields.fields_order, name="settings-fields-order"),
    path("settings/fields/undo", fields.fields_undo, name="settings-fields-undo"),
    path("settings/fields/edit/<str:name>", fields.field_edit, name="settings-field"),
    path("settings/fields/remove/<str:name>", fields.field_remove, name="settings-field-remove"),
    path("settings/severities", levels.severities, name="settings-severities"),
    path("settings/severities/new", levels.severity_new, name="settings-severity-new"),
    path("settings/severities/check", levels.severity_check, name="settings-severity-check"),
    path("settings/severities/order", levels.severities_order, name="settings-severities-order"),
    path("settings/severities/undo", levels.severities_undo, name="settings-severities-undo"),
    path("settings/severities/edit/<str:name>", levels.severity_edit, name="settings-severity"),
    path("settings/severities/default/<str:name>", levels.severity_default, name="settings-severity-default"),
    path("settings/severities/remove/<str:name>", levels.severity_remove, name="settings-severity-remove"),
    path("settings/severities/set/<str:key>", levels.severity_set, name="settings-severity-set"),
    path("settings/severities/unknown/<str:name>", levels.severity_unknown, name="settings-severity-unknown"),
    path("settings/workflows", flows.workflows, name="settings-workflows"),
    path("settings/workflows/new", flows.workflow_new, name="settings-workflow-new"),
    path("settings/workflows/check", flows.workflow_check, name="settings-workflow-check"),
    path("settings/workflows/order", flows.workflows_order, name="settings-workflows-order"),
    path("settings/workflows/undo", flows.workflows_undo, name="settings-workflows-undo"),
    path("settings/workflows/edit/<str:name>", flows.workflow_edit, name="settings-workflow"),
    path("settings/workflows/default/<str:name>", flows.workflow_default, name="settings-workflow-default"),
    path("settings/workflows/remove/<str:name>", flows.workflow_remove, name="settings-workflow-remove"),
    path("settings/workflows/status/<str:name>", flows.status_unknown, name="settings-status-unknown"),
    path("settings/types", types.types, name="settings-types"),
    path("settings/types/new", types.type_new, name="settings-type-new"),
    path("settings/types/check", types.type_check, name="settings-type-check"),
    path("settings/types/order", types.types_order, name="settings-types-order"),
    path("settings/types/undo", types.types_undo, name="settings-types-undo"),
    path("settings/types/edit/<str:name>", types.type_edit, name="settings-type"),
    path("settings/types/remove/<str:name>", types.type_remove, name="settings-type-remove"),
    path("settings/links", links.links, name="settings-links"),
    path("settings/links/new", links.link_new, name="settings-link-new"),
    path("settings/links/check", links.link_check, name="settings-link-check"),
    path("settings/links/order", links.links_order, name="settings-links-order"),
    path("settings/links/undo", links.links_undo, name="settings-links-undo"),
    path("settings/links/edit/<str:name>", links.link_edit, name="settings-link"),
    path("settings/links/remove/<str:name>", links.link_remove, name="settings-link-remove"),
    path("settings/grouping", grouping.rules, name="settings-grouping"),
    path("settings/grouping/new", grouping.rule_new, name="settings-grouping-new"),
    path("settings/grouping/check", grouping.rule_check, name="settings-grouping-check"),
    path("settings/grouping/try", grouping.rule_try, name="settings-grouping-try"),
    path("settings/grouping/order", grouping.rules_order, name="settings-grouping-order"),
    path("settings/grouping/undo", grouping.rules_undo, name="settings-grouping-undo"),
    path("settings/grouping/edit/<str:name>", grouping.rule_edit, name="settings-grouping-rule"),
    path("settings/grouping/switch/<str:name>", grouping.rule_switch, name="settings-grouping-switch"),
    path("settings/grouping/remove/<str:name>", grouping.rule_remove, name="settings-grouping-remove"),
    path("settings/users", people.users, name="settings-users"),
    path("settings/users/new", people.user_new, name="settings-user-new"),
    path("settings/users/edit/<str:username>", people.user_edit, name="settings-user"),
    path("settings/users/role/<str:name>", access.role_permissions, name="settings-role"),
    path("settings/users/roles/new", access.role_new, name="settings-role-new"),
    path("settings/users/roles/check", access.role_check, name="settings-role-check"),
    path("settings/users/roles/edit/<str:name>", access.role_edit, name="settings-role-edit"),
    path("settings/users/roles/remove/<str:name>", access.role_remove, name="settings-role-remove"),
    path("settings/users/groups/new", groups.group_new, name="settings-group-new"),
    path("settings/users/groups/edit/<str:name>", groups.group_edit, name="settings-group"),
    path("settings/users/groups/remove/<str:name>", groups.group_remove, name="settings-group-remove"),
    path("settings/users/access", access.access_fields, name="settings-access"),
    path("settings/users/access/declare", access.access_declare, name="settings-access-declare"),
    path("settings/users/access/withdraw/<str:name>", access.access_withdraw, name="settings-access-withdraw"),
    path("settings/users/access/mark", access.access_mark, name="settings-access-mark"),
    path("settings/tokens", people.tokens, name="settings-tokens"),
    path("settings/tokens/revoke/<int:pk>", people.token_revoke, name="settings-token-revoke"),
    path("settings/audit", audit.audit, name="audit"),
    path("settings/audit/export", audit.export, name="audit-export"),
    path("system", system.system, name="system"),
    path("system/pits/close/<str:name>", system.close_pit, name="system-close-pit"),
    path("system/pits/end/<int:user_id>", system.end_leases, name="system-end-leases"),
    path("system/tasks/retry/<int:pk>", system.retry_task, name="system-retry-task"),
    path("system/tasks/forget/<int:pk>", system.forget_task, name="system-forget-task"),
    path("system/jobs/stop/<str:job_id>", system.stop_job, name="system-stop-job"),
    path("system/jobs/resume", system.resume_jobs, name="system-resume-jobs"),
]
