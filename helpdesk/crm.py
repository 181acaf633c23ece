"""The outer system beside a ticket: what we tell it, signed, and what it answers.

Three ways, chosen for each project: a frame or a tab that shows a page of theirs, opened by a link that we signed, or
rows that we ask for and show ourselves. In each the system learns the same few facts (`told`), as JSON, with the moment
and a signature of `helpdesk.signatures`, by the secret of the panel. See docs/admin/crm.md.
"""

import base64
import json
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import structlog
from flask_babel import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from helpdesk import clock, outbound_http, signatures
from helpdesk.config import settings
from helpdesk.errors import Refused
from helpdesk.keyring import keyring
from helpdesk.models import Identity, Ticket, User
from helpdesk.models.definitions import Panel
from helpdesk.outbound import OutboundRefused

log = structlog.get_logger(__name__)

ASK_SECONDS = 2.0
KEEP_SECONDS = 60.0  # an answer, so that looking to and fro asks once
REST_SECONDS = 10.0  # after a failure nobody waits for the same system again so soon
MOST_KEPT = 500
MOST_ROWS = 50
LONGEST_URL = 500
MOST_IDENTITIES = 20

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?|\[[0-9a-f:]+\](?::\d{1,5})?", re.ASCII)
_AT_HOME = {"localhost", "127.0.0.1", "::1"}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a text or a number")
    return "".join(one if one.isprintable() else " " for one in str(value)).strip()


def _web_link(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) and len(value) <= 2000 else None
    return str(value) if parts is not None and parts.scheme in {"http", "https"} and parts.netloc else ""


class Row(BaseModel):
    """One line of an answer; a link that is none of the web is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: Annotated[str, BeforeValidator(_text), Field(max_length=100)]
    value: Annotated[str, BeforeValidator(_text), Field(max_length=1000)] = ""
    link: Annotated[str, BeforeValidator(_web_link)] = ""


class Answer(BaseModel):
    """What the outer system answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: Annotated[str, BeforeValidator(_text), Field(max_length=200)] = ""
    rows: Annotated[tuple[Row, ...], Field(max_length=MOST_ROWS)] = ()


class CrmFailed(Exception):
    """There is nothing to show; the text is a sentence for people, `detail` one for who can mend it."""

    def __init__(self, words: str, detail: str = "") -> None:
        super().__init__(words)
        self.detail = detail


@dataclass(frozen=True)
class Question:
    """What is asked, without any row of the database: nobody waits for another system in a transaction."""

    panel: Panel
    body: bytes


def told(ticket: Ticket, identities: Sequence[Identity], user: User) -> dict[str, Any]:
    """What an outer system learns: who the customer is and by which addresses, which ticket, and who looks."""
    return {
        "customer": {
            "id": ticket.customer_id,
            "name": ticket.customer.name,
            "identities": [
                {"namespace": one.namespace, "value": one.value, "shared": one.shared}
                for one in identities[:MOST_IDENTITIES]
            ],
        },
        "ticket": {"id": ticket.id, "number": ticket.number, "queue_id": ticket.queue_id},
        "project_id": ticket.project_id,
        "user": {"id": user.id, "email": user.email, "language": user.language},
    }


def body_of(facts: dict[str, Any]) -> bytes:
    """The facts as they are signed and sent."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def signed_link(panel: Panel, facts: dict[str, Any]) -> str:
    """The panel's address with the facts: `hd_data` (base64url of the JSON), `hd_ts` (unix seconds), `hd_sig`.

    The signature is over `<hd_ts>.<hd_data>`, as text; it is good for five minutes.
    """
    data = base64.urlsafe_b64encode(body_of(facts)).rstrip(b"=")
    at = int(clock.now().timestamp())
    values = {"hd_data": data.decode(), "hd_ts": str(at), "hd_sig": signatures.sign(secret_of(panel), data, at)}
    return f"{panel.url}{'&' if urlsplit(panel.url).query else '?'}{urlencode(values)}"


def secret_of(panel: Panel) -> bytes:
    """What the panel's owner typed into the outer system, as bytes."""
    return str(keyring().open_json(panel.secret, seal_scope(panel.project_id))).encode()


def seal_scope(project_id: int) -> str:
    """What a sealed secret is bound to."""
    return f"crm:{project_id}"


_kept: "OrderedDict[tuple[Any, ...], tuple[float, Answer]]" = OrderedDict()
_resting: dict[str, float] = {}


def ask(question: Question) -> Answer:
    """The outer system's answer, at most a minute old. To be called without a transaction; it may take two seconds.

    Raises CrmFailed with a sentence when it does not answer, or not as it should.
    """
    key, now = (question.panel.project_id, question.panel.changed_at, question.body), time.monotonic()
    kept = _kept.get(key)
    if kept is not None and kept[0] > now:
        return kept[1]
    url = question.panel.url
    if _resting.get(url, 0.0) > now:
        raise CrmFailed(_("The system did not answer a moment ago. Try again in a few seconds."))
    try:
        answer = _read(_fetch(question))
    except CrmFailed as failure:
        _resting[url] = now + REST_SECONDS
        log.warning("crm did not answer", project_id=question.panel.project_id, words=failure.detail or str(failure))
        raise
    _kept[key] = (now + KEEP_SECONDS, answer)
    while len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    return answer


def forget_answers() -> None:
    """Ask anew whatever was answered or refused before."""
    _kept.clear()
    _resting.clear()


def _fetch(question: Question) -> outbound_http.Answer:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "Helpdesk"}
    headers |= signatures.headers([secret_of(question.panel)], question.body, int(clock.now().timestamp()))
    try:
        return outbound_http.post(
            question.panel.url, question.body, headers, connect_seconds=ASK_SECONDS, total_seconds=ASK_SECONDS
        )
    except OutboundRefused as error:
        raise CrmFailed(_("The system cannot be asked from here."), error.message) from error
    except outbound_http.PostFailed as error:
        raise CrmFailed(_("The system does not answer at the moment."), str(error)) from error


def _read(answer: outbound_http.Answer) -> Answer:
    if answer.status == 404:
        raise CrmFailed(_("The system does not know this customer."))
    if not answer.ok:
        raise CrmFailed(_("The system refused to answer (status %(status)s).", status=answer.status))
    try:
        return Answer.model_validate_json(answer.body)
    except ValidationError as error:
        raise CrmFailed(_("The system did not answer as agreed; its answer cannot be shown.")) from error


def checked_url(url: str, way: str) -> str:
    """The address of a panel as it is stored. Raises Refused for what may not be shown or asked."""
    url = url.strip()
    parts = urlsplit(url)
    host = parts.netloc.lower()
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or parts.fragment or len(url) > LONGEST_URL:
        raise Refused(_("That is not a web address such as https://crm.example/card."))
    if any(not 32 < ord(one) < 127 for one in url):
        raise Refused(_("Write the address with Latin letters and without spaces, as browsers send it."))
    if parts.scheme == "http" and (parts.hostname or "") not in _AT_HOME:
        raise Refused(_("The address must begin with https://."))
    own = {urlsplit(one).netloc.lower() for one in (settings().public_url, settings().files_url) if one}
    if way == "frame" and host in own:
        raise Refused(_("A page of this helpdesk cannot stand in the frame. Choose an address of the other system."))
    return parts._replace(netloc=host).geturl()


def origin_of(url: str) -> str:
    """The origin of a checked address, for a content policy."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
