"""Doors for other systems: signed events come in here, and the schemas of events are published here.

No cookies, no pages: every answer is JSON, refusals as `{"error": code, "message": sentence, "field": path}`.
"""

import structlog
from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from helpdesk.bodies import PATIENCE, SLOWEST, reads_its_body, within
from helpdesk.config import settings
from helpdesk.errors import NotFound
from helpdesk.handlers import csrf
from helpdesk.signatures import SIGNATURE_HEADER, TIMESTAMP_HEADER
from queues.channels.base import StoreAway
from queues.channels.http.events import EVENTS, schema
from queues.channels.http.settings import WITH_FILES_BYTES
from queues.held import storing
from queues.posted import PAUSED_SECONDS, Door, PostRefused, Taken, find_door, note_refusal, take

pages = Blueprint("hooks", __name__)
csrf.exempt(pages)  # requests are proved by their signature; nothing here knows who is signed in

log = structlog.get_logger(__name__)

AWAY_SECONDS = 10


@pages.post("/hooks/<door>")
@reads_its_body
def post(door: str) -> ResponseReturnValue:
    """Take an event: 202 when it is stored, 200 when it was before, and a clear refusal otherwise."""
    found: Door | None = None
    try:
        with storing():
            _check_headers()
            found = find_door(door)
            taken = _take(found)
    except PostRefused as refusal:
        return _refused(found, refusal)
    except StoreAway:
        log.warning("posted event not stored", channel_id=found.channel_id if found else None)
        words = "It cannot be stored at the moment. Post it again later."
        return _answer(PostRefused(503, "unavailable", words, retry_after=AWAY_SECONDS))
    return jsonify(id=taken.key, status="stored"), 202 if taken.new else 200


@pages.get("/hooks/schemas/<name>.json")
def show_schema(name: str) -> ResponseReturnValue:
    """The JSON Schema of one type of event."""
    if name not in EVENTS:
        raise NotFound("There is no such schema.")
    address = settings().public_url + url_for("hooks.show_schema", name=name)
    response = jsonify(schema(name, address))
    response.mimetype = "application/schema+json"
    return response


def _check_headers() -> None:
    """What can be refused without looking anything up."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in {"utf-8", "utf8"}:
        raise PostRefused(415, "content_type", "Content-Type has to be application/json, in UTF-8.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise PostRefused(415, "content_type", "The body may not be compressed.")
    if (request.content_length or 0) > WITH_FILES_BYTES:
        raise PostRefused(413, "too_large", f"No body may have more than {WITH_FILES_BYTES} bytes.")


def _take(door: Door | None) -> Taken:
    if door is None:
        raise PostRefused(404, "unknown_door", "There is no such door.")
    if not door.enabled:
        words = "This channel is paused. Keep the event and post it again later."
        raise PostRefused(503, "paused", words, retry_after=PAUSED_SECONDS)
    headers = request.headers
    body = _body(door)
    key = headers.get("Idempotency-Key")
    return take(door, body, headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, ""), key)


def _body(door: Door) -> bytes:
    """The body, read up to the channel's largest, and not for ever. No connection to the database waits meanwhile."""
    most = door.settings.largest
    request.max_content_length = most + 1  # a body without a length is cut there in silence
    too_large = PostRefused(413, "too_large", f"A body has at most {most} bytes here.")
    cut_off = PostRefused(400, "cut_off", "The body ended before its length.")
    size = request.content_length or 0
    try:
        with within(PATIENCE + min(size, most) / SLOWEST):
            body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise too_large from error
    except RequestTimeout as error:
        raise PostRefused(408, "too_slow", "The body took too long to arrive.") from error
    except ClientDisconnected as error:
        raise cut_off from error
    if len(body) > most:
        raise too_large
    if len(body) < size:
        raise cut_off
    return body


def _refused(door: Door | None, refusal: PostRefused) -> Response:
    if door is not None:
        try:
            with storing():
                note_refusal(door.channel_id, refusal, request.remote_addr or "")
        except StoreAway:
            log.warning("refused request not counted", channel_id=door.channel_id, code=refusal.code)
    return _answer(refusal)


def _answer(refusal: PostRefused) -> Response:
    response = jsonify(error=refusal.code, message=refusal.words, field=refusal.field)
    response.status_code = refusal.status
    if refusal.retry_after:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
