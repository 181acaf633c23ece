"""Answers travel compressed where that is worth it and harms nothing."""

import gzip
import re

from flask import Flask

from tests.clients import sign_in
from tests.factories import Factories

PACKED = {"Accept-Encoding": "gzip"}


def test_a_page_is_packed_and_says_the_same(app: Flask, make_committed: Factories) -> None:
    browser = sign_in(app, make_committed.cast().ann)
    plain = browser.get("/profile")
    packed = browser.get("/profile", headers=PACKED)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
    assert "Content-Encoding" not in plain.headers
    assert b"</html>" in gzip.decompress(packed.data)


def test_the_length_of_a_packed_page_tells_nothing(app: Flask, make_committed: Factories) -> None:
    browser = sign_in(app, make_committed.cast().ann)
    heads = {browser.get("/profile", headers=PACKED).data[:120] for _ in range(8)}
    names = {re.match(rb"^.{10}(x+)\x00", head, re.DOTALL)[1] for head in heads}  # type: ignore[index]
    assert len(names) > 1


def test_a_file_is_packed_once_under_its_address(app: Flask, committed: object) -> None:
    browser = sign_in(app, None)
    page = browser.get("/sign-in").text
    address = re.search(r'href="([^"]+tabler\.css[^"]*)"', page)[1]  # type: ignore[index]
    first, second = browser.get(address, headers=PACKED), browser.get(address, headers=PACKED)
    assert first.headers["Content-Encoding"] == "gzip" and first.data == second.data
    assert gzip.decompress(first.data) == browser.get(address).data
    assert "immutable" in first.headers["Cache-Control"]


def test_small_answers_and_streams_stay_as_they_are(app: Flask, make_committed: Factories) -> None:
    browser = sign_in(app, make_committed.cast().ann)
    assert "Content-Encoding" not in browser.get("/static/favicon.svg", headers=PACKED).headers
    stream = browser.get("/live?topic=user:1", headers=PACKED, buffered=False)
    assert "Content-Encoding" not in stream.headers
    stream.close()
