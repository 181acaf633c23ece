"""Answers travel compressed. Files of ours are packed once per content; pages as they come, with a random length.

A page repeats what a request said beside what only its reader may know, so its packed size could tell an eavesdropper
which guess was right (BREACH). A name of random length in the head of the gzip stream (RFC 1952, 2.3.1) hides that.
"""

import gzip
import io
import secrets
from collections import OrderedDict

from flask import Flask, Response, request

TYPES = frozenset({"text/html", "text/css", "text/javascript", "image/svg+xml", "text/plain"})
LEAST_BYTES = 1400  # less fits into one packet anyway
LEVEL = 4
STATIC_LEVEL = 9
MOST_KEPT = 300
LONGEST_NAME = 96
UNTOUCHED = frozenset({204, 206, 304})

_kept: OrderedDict[str, bytes] = OrderedDict()


def init_app(app: Flask) -> None:
    """Compress whole answers for those who accept it; streams, files in parts and small answers stay as they are."""

    @app.after_request
    def compress(response: Response) -> Response:
        is_ours = request.endpoint == "static"
        whole = is_ours or not (response.is_streamed or response.direct_passthrough or response.get_etag()[0])
        if response.mimetype not in TYPES or response.status_code in UNTOUCHED or not whole:
            return response
        response.vary.add("Accept-Encoding")
        if not request.accept_encodings["gzip"] or "Content-Encoding" in response.headers:
            return response
        packed = _packed_file(response) if is_ours and "v" in request.args else _packed_page(response)
        if packed is not None:
            response.direct_passthrough = False
            response.set_data(packed)
            response.headers["Content-Encoding"] = "gzip"
            response.headers.pop("ETag", None)  # it named other bytes
        return response


def _packed_file(response: Response) -> bytes:
    """A file under an address that names its content: packed well, and once."""
    if request.full_path not in _kept:
        response.direct_passthrough = False
        _kept[request.full_path] = _pack(response.get_data(), STATIC_LEVEL, "")
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return _kept[request.full_path]


def _packed_page(response: Response) -> bytes | None:
    response.direct_passthrough = False
    content = response.get_data()
    if len(content) < LEAST_BYTES:
        return None
    return _pack(content, LEVEL, "x" * (1 + secrets.randbelow(LONGEST_NAME)))


def _pack(content: bytes, level: int, name: str) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=level, fileobj=out, mtime=0) as packer:
        packer.write(content)
    return out.getvalue()
