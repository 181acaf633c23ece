"""Acts from a list leave the page as it is: instead of a page to go to, their form is told what happened.

Verbs do not differ for that. They answer with a redirect and a sentence for the next page; a script that sent the form
with the header `X-Stays` gets the sentence, with its way back, as a small message.
"""

from flask import Flask, Response, render_template, request


def init_app(app: Flask) -> None:
    """Turn redirects of staying forms into messages. To be called after what commits, so that it runs before that."""

    @app.after_request
    def stay(response: Response) -> Response:
        if response.status_code != 303 or "X-Stays" not in request.headers:
            return response
        return app.make_response(render_template("_stays.html"))
