"""The desk's pages, one file per noun of the URL."""

from importlib import import_module

from flask import Flask

NOUNS = (
    "absences",
    "administration",
    "answers",
    "api_admin",
    "availability",
    "blocked_senders",
    "calendars",
    "cards",
    "colleagues",
    "commands",
    "crm",
    "crm_admin",
    "customer_texts",
    "customer_values",
    "customers",
    "dialogs",
    "drafts",
    "facts",
    "exchange",
    "fields",
    "files",
    "former",
    "groups",
    "handled",
    "health",
    "installation",
    "joining",
    "keys",
    "live",
    "managed_lists",
    "macros",
    "messages",
    "notices",
    "organisations",
    "participants",
    "password_links",
    "people",
    "people_list",
    "preferences",
    "presence",
    "projects",
    "queues",
    "queues_admin",
    "rail",
    "replies",
    "saved_views",
    "search",
    "second_step",
    "sessions",
    "spam",
    "shift_notes",
    "states",
    "supervision",
    "targets",
    "tasks",
    "text_variables",
    "texts",
    "ticket_lists",
    "tickets",
    "tokens",
    "verbs",
    "webhooks",
    "welcome",
)


def init_app(app: Flask) -> None:
    """Register the pages of the desk."""
    from helpdesk import shell, staying, text_links
    from helpdesk.views import administration, availability, list_rows, notices, rail, tasks

    shell.init_app(app)
    staying.init_app(app)
    app.jinja_env.filters["linked"] = text_links.linked
    rail.init_app(app)
    list_rows.init_app(app)
    availability.init_app(app)
    notices.init_app(app)
    administration.init_app(app)
    tasks.init_app(app)
    for noun in NOUNS:
        app.register_blueprint(import_module(f"helpdesk.views.{noun}").pages)
