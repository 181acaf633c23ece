"""`GET /live?topic=queue:3&topic=ticket:17`: what changes, as an event stream. Names and versions, never text."""

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from helpdesk import live_hub
from helpdesk.auth import current_session, me
from helpdesk.queries.live import allowed

pages = Blueprint("live", __name__)


@pages.get("/live")
def stream() -> ResponseReturnValue:
    """Events `versions` (a map, on connect and every 15 s) and `change` ({topic, version}). 401 for strangers.

    Topics are asked for by `topic` (repeated) or `topics` (comma separated); those that the user may not follow are
    left out in silence. A redirect to the sign-in page would make the browser try for ever, so there is none.
    """
    if not current_user.is_authenticated:
        return Response(status=401)
    asked = [*request.args.getlist("topic"), *request.args.get("topics", "").split(",")]
    wanted = frozenset(sorted({topic for topic in asked if topic})[: live_hub.MOST_TOPICS])
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy itself ends with the request
    follower = live_hub.Stream(me().id, current_session().id, wanted)
    events = live_hub.events(app, follower, allowed(me(), wanted))
    return Response(events, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
