"""Who reaches which URL: one row for every route of the application. A route without a row fails the tests.

A row maps "METHOD rule" (exactly as Flask prints the rule) to who may pass:

    PUBLIC         everybody, without signing in
    SIGNED_IN      everybody who is signed in
    SUPERVISOR     supervisors and administrators; 403 for operators
    ADMINISTRATOR  administrators; 403 for everybody else
    TICKET_SEE     who may see the ticket (its queue, or taking part in it); 404 for others
    TICKET_WORK    who may work in the ticket's queue; 403 for those who only see it, 404 for others
    QUEUE_SEE, QUEUE_WORK   the same for a queue
    TOKEN          nobody who is signed in: the API takes tokens alone, see tests/api/test_rights.py
    OWN            SIGNED_IN, on a thing of one's own; 404 for everybody whose thing it is not

"May pass" means any answer but 401, 403, 404, 405 and 5xx: a form may well refuse its empty fields (422). Where the
thing that a URL names does not exist in the test, say so: `Row(Access.TICKET_WORK, absent=True)` allows 404 for those
who pass. `data` is sent with the request; "{user_id}" in it becomes the value of that variable. The values of all
variables stand in the scene of `tests/test_authorisation_matrix.py`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Access(Enum):
    """Who may pass."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    TICKET_SEE = "sees the ticket"
    TICKET_WORK = "works on the ticket"
    QUEUE_SEE = "sees the queue"
    QUEUE_WORK = "works in the queue"
    OWN = "own"
    TOKEN = "token"


@dataclass(frozen=True)
class Row:
    """One route: who may pass, what is sent, and whether the thing is absent in the test."""

    access: Access
    data: dict[str, Any] = field(default_factory=dict)
    absent: bool = False


PUBLIC, SIGNED_IN, SUPERVISOR = Row(Access.PUBLIC), Row(Access.SIGNED_IN), Row(Access.SUPERVISOR)
ADMINISTRATOR, TICKET_SEE, TICKET_WORK = Row(Access.ADMINISTRATOR), Row(Access.TICKET_SEE), Row(Access.TICKET_WORK)
QUEUE_SEE, QUEUE_WORK, OWN = Row(Access.QUEUE_SEE), Row(Access.QUEUE_WORK), Row(Access.OWN)
TOKEN = Row(Access.TOKEN)

ROWS: dict[str, Row] = {
    # health and files
    "GET /health": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /static/<path:filename>": PUBLIC,
    # signing in
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "GET /sign-in/code": PUBLIC,
    "POST /sign-in/code": PUBLIC,
    "GET /sign-in/language": PUBLIC,
    "POST /sign-out": PUBLIC,
    "GET /password/forgotten": PUBLIC,
    "POST /password/forgotten": PUBLIC,
    "GET /password/<token>": Row(Access.PUBLIC, absent=True),
    "POST /password/<token>": Row(Access.PUBLIC, absent=True),
    # one's own things
    "GET /": SIGNED_IN,
    "GET /profile": SIGNED_IN,
    "POST /profile": SIGNED_IN,
    "POST /profile/language": SIGNED_IN,
    "POST /profile/theme": SIGNED_IN,
    "GET /profile/password": SIGNED_IN,
    "POST /profile/password": SIGNED_IN,
    "POST /profile/sessions/<int:session_id>/end": OWN,
    "POST /profile/sessions/others/end": SIGNED_IN,
    "GET /profile/second-step": SIGNED_IN,
    "POST /profile/second-step": SIGNED_IN,
    "POST /profile/second-step/codes": SIGNED_IN,
    "POST /profile/second-step/removal": SIGNED_IN,
    "GET /welcome/account": SIGNED_IN,
    "POST /welcome/account": SIGNED_IN,
    "GET /availability": SIGNED_IN,
    "POST /availability": Row(Access.SIGNED_IN, {"state": "available"}),
    "GET /availability/bar": SIGNED_IN,
    "GET /availability/switch": SIGNED_IN,
    # administration
    "GET /admin": ADMINISTRATOR,
    "GET /admin/availability": ADMINISTRATOR,
    "POST /admin/availability": ADMINISTRATOR,
    "GET /welcome": ADMINISTRATOR,
    "GET /queues/<int:queue_id>/note": QUEUE_WORK,
    "POST /queues/<int:queue_id>/note": QUEUE_WORK,
    "GET /availability/leaving": SIGNED_IN,
    "POST /availability/leaving": SIGNED_IN,
    "GET /people/<int:user_id>/tickets": SUPERVISOR,
    "POST /people/<int:user_id>/tickets/release": Row(Access.SUPERVISOR, absent=True),
    "POST /people/<int:user_id>/tickets/handover": Row(Access.SUPERVISOR, absent=True),
    "POST /people/<int:user_id>/availability": Row(Access.SUPERVISOR, {"state": "away"}),
    "GET /people": ADMINISTRATOR,
    "POST /people": ADMINISTRATOR,
    "GET /people/new": ADMINISTRATOR,
    "GET /people/<int:user_id>": ADMINISTRATOR,
    "POST /people/<int:user_id>": ADMINISTRATOR,
    "POST /people/<int:user_id>/activation": ADMINISTRATOR,
    "POST /people/<int:user_id>/deactivation": ADMINISTRATOR,
    "POST /people/<int:user_id>/link": ADMINISTRATOR,
    "POST /people/<int:user_id>/second-step/removal": ADMINISTRATOR,
    "GET /groups": ADMINISTRATOR,
    "POST /groups": ADMINISTRATOR,
    "GET /groups/new": ADMINISTRATOR,
    "GET /groups/<int:group_id>": ADMINISTRATOR,
    "POST /groups/<int:group_id>": ADMINISTRATOR,
    "POST /groups/<int:group_id>/removal": ADMINISTRATOR,
    "GET /admin/queues": ADMINISTRATOR,
    "POST /admin/queues": ADMINISTRATOR,
    "GET /admin/queues/new": ADMINISTRATOR,
    "GET /admin/queues/<int:queue_id>": ADMINISTRATOR,
    "POST /admin/queues/<int:queue_id>": ADMINISTRATOR,
    "GET /admin/texts": ADMINISTRATOR,
    "POST /admin/texts": ADMINISTRATOR,
    "GET /admin/texts/new": ADMINISTRATOR,
    "GET /admin/texts/<int:text_id>": ADMINISTRATOR,
    "POST /admin/texts/<int:text_id>": ADMINISTRATOR,
    "POST /admin/texts/<int:text_id>/removal": ADMINISTRATOR,
    "GET /admin/customer-texts": ADMINISTRATOR,
    "GET /admin/customer-texts/<int:project_id>/<key>/<language>": ADMINISTRATOR,
    "POST /admin/customer-texts/<int:project_id>/<key>/<language>": ADMINISTRATOR,
    "POST /admin/customer-texts/<int:project_id>/<key>/<language>/removal": ADMINISTRATOR,
    "GET /admin/calendars": ADMINISTRATOR,
    "POST /admin/calendars": ADMINISTRATOR,
    "GET /admin/calendars/new": ADMINISTRATOR,
    "POST /admin/calendars/use": ADMINISTRATOR,
    "GET /admin/calendars/<int:calendar_id>": ADMINISTRATOR,
    "POST /admin/calendars/<int:calendar_id>": ADMINISTRATOR,
    "POST /admin/calendars/<int:calendar_id>/holidays": ADMINISTRATOR,
    "GET /admin/promises": ADMINISTRATOR,
    "POST /admin/promises": ADMINISTRATOR,
    "GET /admin/promises/new": ADMINISTRATOR,
    "GET /admin/promises/<int:target_id>": ADMINISTRATOR,
    "POST /admin/promises/<int:target_id>": ADMINISTRATOR,
    "POST /admin/promises/<int:target_id>/removal": ADMINISTRATOR,
    # dialog settings: administrators, and whom one of them granted it; see tests/test_dialog_settings.py
    "GET /admin/lists": ADMINISTRATOR,
    "GET /admin/lists/<list_name>": ADMINISTRATOR,
    "POST /admin/lists/<list_name>": ADMINISTRATOR,
    "POST /admin/lists/<list_name>/<int:item_id>": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/lists/<list_name>/<int:item_id>/place": Row(Access.ADMINISTRATOR, absent=True),
    "GET /admin/fields": ADMINISTRATOR,
    "GET /admin/fields/new": ADMINISTRATOR,
    "POST /admin/fields": ADMINISTRATOR,
    "GET /admin/fields/<int:field_id>": ADMINISTRATOR,
    "POST /admin/fields/<int:field_id>": ADMINISTRATOR,
    "POST /admin/fields/<int:field_id>/place": ADMINISTRATOR,
    "GET /admin/installation": ADMINISTRATOR,
    "POST /admin/installation": ADMINISTRATOR,
    "GET /admin/projects": ADMINISTRATOR,
    "POST /admin/projects": ADMINISTRATOR,
    "GET /admin/projects/new": ADMINISTRATOR,
    "GET /admin/projects/<int:project_id>": ADMINISTRATOR,
    "POST /admin/projects/<int:project_id>": ADMINISTRATOR,
    "POST /admin/projects/<int:project_id>/rights": ADMINISTRATOR,
    # the API: its screens, and its addresses for programs
    "GET /api/docs": SIGNED_IN,
    "GET /profile/tokens": SIGNED_IN,
    "POST /profile/tokens": SIGNED_IN,
    "POST /profile/tokens/<int:token_id>/revocation": OWN,
    "GET /admin/api": ADMINISTRATOR,
    "GET /admin/api/tokens/new": ADMINISTRATOR,
    "POST /admin/api/tokens": ADMINISTRATOR,
    "POST /admin/api/tokens/<int:token_id>/revocation": ADMINISTRATOR,
    "GET /admin/webhooks/new": ADMINISTRATOR,
    "POST /admin/webhooks": ADMINISTRATOR,
    "GET /admin/webhooks/<int:webhook_id>": ADMINISTRATOR,
    "GET /admin/webhooks/<int:webhook_id>/edit": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>/activation": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>/secret": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>/tests": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/repeats": ADMINISTRATOR,
    "POST /admin/webhooks/<int:webhook_id>/removal": ADMINISTRATOR,
    "GET /api/v1/openapi.json": PUBLIC,
    "GET /api/v1/token": TOKEN,
    "GET /api/v1/tickets": TOKEN,
    "POST /api/v1/tickets": TOKEN,
    "GET /api/v1/tickets/<int:ticket_id>": TOKEN,
    "PATCH /api/v1/tickets/<int:ticket_id>": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/closure": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/reopening": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/pause": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/waking": TOKEN,
    "GET /api/v1/tickets/<int:ticket_id>/events": TOKEN,
    "GET /api/v1/tickets/<int:ticket_id>/messages": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/replies": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/notes": TOKEN,
    "GET /api/v1/messages/<int:message_id>": TOKEN,
    "GET /api/v1/customers": TOKEN,
    "POST /api/v1/customers": TOKEN,
    "GET /api/v1/customers/<int:customer_id>": TOKEN,
    "PATCH /api/v1/customers/<int:customer_id>": TOKEN,
    "POST /api/v1/customers/<int:customer_id>/identities": TOKEN,
    "DELETE /api/v1/customers/<int:customer_id>/identities/<int:identity_id>": TOKEN,
    "GET /api/v1/queues": TOKEN,
    "POST /api/v1/claims": TOKEN,
    "POST /api/v1/queues/<int:queue_id>/claims": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/claims": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/release": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/handover": TOKEN,
    "POST /api/v1/tickets/<int:ticket_id>/move": TOKEN,
    "GET /api/v1/webhooks": TOKEN,
    "POST /api/v1/webhooks": TOKEN,
    "GET /api/v1/webhooks/<int:webhook_id>": TOKEN,
    "PATCH /api/v1/webhooks/<int:webhook_id>": TOKEN,
    "DELETE /api/v1/webhooks/<int:webhook_id>": TOKEN,
    "GET /api/v1/webhooks/<int:webhook_id>/deliveries": TOKEN,
    "POST /api/v1/webhooks/<int:webhook_id>/tests": TOKEN,
    "POST /api/v1/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/repeats": TOKEN,
    # queues and the rail
    "GET /queues": SIGNED_IN,
    "GET /queues/mine": SIGNED_IN,
    "GET /queues/tiles": SIGNED_IN,
    "GET /rail": SIGNED_IN,
    "GET /live": SIGNED_IN,
    "GET /tickets/<int:ticket_id>/presence": TICKET_SEE,
    "POST /tickets/<int:ticket_id>/presence": Row(Access.TICKET_SEE, {"tab": "a1", "doing": "viewing"}),
    "GET /tickets/<int:ticket_id>/colleagues": TICKET_WORK,
    "GET /tickets/<int:ticket_id>/colleagues/new": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/colleagues": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/colleagues/<int:colleague_id>/removal": TICKET_WORK,
    "GET /notices": SIGNED_IN,
    "GET /notices/bell": SIGNED_IN,
    "GET /notices/<int:notice_id>": OWN,
    "POST /notices/seen": SIGNED_IN,
    "GET /queues/<int:queue_id>": QUEUE_SEE,
    "POST /claims": SIGNED_IN,
    "POST /queues/<int:queue_id>/claims": QUEUE_WORK,
    # tickets
    "GET /t/<number>": TICKET_SEE,
    "GET /tickets/<int:ticket_id>": TICKET_SEE,
    "GET /tickets/<int:ticket_id>/bar": TICKET_SEE,
    "GET /tickets/<int:ticket_id>/card": TICKET_SEE,
    "GET /tickets/<int:ticket_id>/history": TICKET_SEE,
    "GET /tickets/<int:ticket_id>/thread": TICKET_SEE,
    "GET /tickets/<int:ticket_id>/thread/page": TICKET_SEE,
    "GET /messages/<int:message_id>/raw": Row(Access.TICKET_SEE, absent=True),
    "GET /tickets/<int:ticket_id>/dialogs/<name>": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/claims": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/closure": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/closure-and-next": TICKET_WORK,
    "GET /tickets/<int:ticket_id>/draft": TICKET_WORK,
    "PUT /tickets/<int:ticket_id>/draft": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/draft/files": TICKET_WORK,
    "GET /tickets/<int:ticket_id>/variables": TICKET_WORK,
    "GET /queues/<int:queue_id>/variables": QUEUE_WORK,
    "GET /queues/<int:queue_id>/answers": QUEUE_WORK,
    "GET /drafts": SIGNED_IN,
    "PUT /drafts/<opening>": SIGNED_IN,
    "POST /drafts/<opening>/files": SIGNED_IN,
    "DELETE /drafts/<opening>/files/<int:file_id>": Row(Access.SIGNED_IN, absent=True),
    "POST /drafts/<int:draft_id>/removal": Row(Access.SIGNED_IN, absent=True),
    "DELETE /tickets/<int:ticket_id>/draft/files/<int:file_id>": Row(Access.TICKET_WORK, absent=True),
    "POST /tickets/<int:ticket_id>/facts": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/forwards": Row(Access.TICKET_WORK, {"message_id": "{message_id}"}),
    "POST /tickets/<int:ticket_id>/handover": Row(Access.TICKET_WORK, {"user_id": "{colleague_id}"}),
    "POST /tickets/<int:ticket_id>/move": Row(Access.TICKET_WORK, {"queue_id": "{queue_id}"}),
    "GET /tickets/new": SIGNED_IN,
    "GET /tickets/new/customers": SIGNED_IN,
    "POST /tickets": SIGNED_IN,
    "POST /tickets/entries": SIGNED_IN,
    "POST /tickets/<int:ticket_id>/participants": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/customer": Row(Access.TICKET_WORK, {"customer_id": "{customer_id}"}),
    "POST /tickets/<int:ticket_id>/messages": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/notes": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/pause": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/joining": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/people": Row(Access.TICKET_WORK, {"user_id": "{colleague_id}"}),
    "POST /tickets/<int:ticket_id>/priority": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/release": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/reopening": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/replies": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/spam": TICKET_WORK,
    "POST /tickets/<int:ticket_id>/rescue": TICKET_WORK,
    "GET /spam": SIGNED_IN,
    "POST /spam/rescues": SIGNED_IN,
    "GET /blocked-senders": SUPERVISOR,
    "POST /blocked-senders": SUPERVISOR,
    "POST /blocked-senders/<int:blocked_id>/removal": Row(Access.SUPERVISOR, absent=True),
    "POST /tickets/<int:ticket_id>/waking": TICKET_WORK,
    "POST /messages/<int:message_id>/undo": TICKET_WORK,
    "POST /messages/<int:message_id>/retries": Row(Access.TICKET_WORK, absent=True),
    # numbers of a former system
    "GET /admin/projects/<int:project_id>/former-numbers": ADMINISTRATOR,
    "POST /admin/projects/<int:project_id>/former-numbers": ADMINISTRATOR,
    "POST /admin/projects/<int:project_id>/former-numbers/<int:pattern_id>/removal": Row(
        Access.ADMINISTRATOR, absent=True
    ),
    # whether messages leave
    "GET /admin/sending": ADMINISTRATOR,
    "POST /admin/sending/pause": ADMINISTRATOR,
    "POST /admin/sending/resumption": ADMINISTRATOR,
    "POST /admin/sending/decisions": ADMINISTRATOR,
    # mail of channels without a server
    "GET /admin/outgoing": ADMINISTRATOR,
    "GET /admin/outgoing/<name>": Row(Access.ADMINISTRATOR, absent=True),
    "GET /admin/outgoing/<name>/raw": Row(Access.ADMINISTRATOR, absent=True),
    # channels
    "GET /admin/channels": ADMINISTRATOR,
    "POST /admin/channels": ADMINISTRATOR,
    "GET /admin/channels/new": ADMINISTRATOR,
    "GET /admin/channels/sign-in": ADMINISTRATOR,
    "GET /admin/channels/http/new": ADMINISTRATOR,
    "POST /admin/channels/http": ADMINISTRATOR,
    # the scene's channel is a mailbox, which has no page here
    "GET /admin/channels/http/<int:channel_id>": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/channels/http/<int:channel_id>": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/channels/http/<int:channel_id>/secret": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/channels/http/<int:channel_id>/check": Row(Access.ADMINISTRATOR, absent=True),
    # doors for other systems: proved by signatures, see tests/http
    "POST /hooks/<door>": Row(Access.PUBLIC, absent=True),
    "GET /hooks/schemas/<name>.json": Row(Access.PUBLIC, absent=True),
    "GET /admin/channels/<int:channel_id>": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/position": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/check": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/parked": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/pause": ADMINISTRATOR,
    "GET /admin/channels/<int:channel_id>/reading": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/reading": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/reader": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/rescan": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/resumption": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/sign-in": ADMINISTRATOR,
    "POST /admin/channels/<int:channel_id>/spam-marks": ADMINISTRATOR,
    # rules on the way in
    "GET /admin/rules": ADMINISTRATOR,
    "GET /admin/rules/new": ADMINISTRATOR,
    "POST /admin/rules": ADMINISTRATOR,
    "POST /admin/rules/trials": ADMINISTRATOR,
    "GET /admin/rules/<int:rule_id>": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/rules/<int:rule_id>": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/rules/<int:rule_id>/activation": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/rules/<int:rule_id>/deactivation": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/rules/<int:rule_id>/place": Row(Access.ADMINISTRATOR, absent=True),
    "POST /admin/rules/<int:rule_id>/removal": Row(Access.ADMINISTRATOR, absent=True),
    # the way of a message
    "GET /supervision": SUPERVISOR,
    "GET /status": SUPERVISOR,
    "GET /status/findings": ADMINISTRATOR,
    "GET /metrics": Row(Access.PUBLIC, absent=True),
    "GET /quarantine": SUPERVISOR,
    "GET /quarantine/<int:event_id>/raw": Row(Access.SUPERVISOR, absent=True),
    "POST /quarantine/<int:event_id>/drop": Row(Access.SUPERVISOR, absent=True),
    "POST /quarantine/<int:event_id>/retry": Row(Access.SUPERVISOR, absent=True),
    # files and mail of strangers; a link without a right signature leads nowhere
    "GET /attachments/<int:attachment_id>": Row(Access.TICKET_SEE, absent=True),
    "GET /attachments/<int:attachment_id>/picture": Row(Access.TICKET_SEE, absent=True),
    "GET /messages/<int:message_id>/html": TICKET_SEE,
    "GET /files/<int:attachment_id>/<token>": Row(Access.PUBLIC, absent=True),
    "GET /messages/<int:message_id>/frame/<token>": Row(Access.PUBLIC, absent=True),
    # customers, organisations, search
    "GET /customers": SIGNED_IN,
    "GET /customers/<int:customer_id>": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>": Row(Access.SIGNED_IN, absent=True),
    "GET /customers/<int:customer_id>/edit": Row(Access.SIGNED_IN, absent=True),
    "GET /customers/<int:customer_id>/merge": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/merges": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/merges/<int:merge_id>/undoing": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/identities": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/identities/<int:identity_id>/removal": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/identities/<int:identity_id>/sharing": Row(Access.SIGNED_IN, absent=True),
    "POST /customers/<int:customer_id>/blocking": Row(Access.SUPERVISOR, absent=True),
    "GET /organisations": SIGNED_IN,
    "POST /organisations": SUPERVISOR,
    "GET /organisations/new": SUPERVISOR,
    "GET /organisations/<int:organisation_id>": Row(Access.SIGNED_IN, absent=True),
    "POST /organisations/<int:organisation_id>": Row(Access.SUPERVISOR, absent=True),
    "GET /organisations/<int:organisation_id>/edit": Row(Access.SUPERVISOR, absent=True),
    "GET /search": SIGNED_IN,
}
