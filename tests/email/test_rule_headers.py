"""The headers that rules may look at: what servers say of spam in any case, nothing endless, nothing for machines."""

from queues.channels.email.parse import parse
from queues.channels.email.parsed import from_wire, to_wire
from queues.channels.email.rule_headers import ALL_CHARS, MOST_HEADERS, VALUE_CHARS
from tests.email.build import header, mail, simple, word


def test_names_are_folded_and_values_decoded() -> None:
    found = parse(simple(X_Shop=word("Золотой клиент"), List_Id="<news.shop.example>")).headers
    assert found["x-shop"] == "Золотой клиент"
    assert found["list-id"] == "<news.shop.example>"
    assert not {"subject", "from", "content-type", "message-id", "date"} & found.keys()


def test_values_of_one_name_stand_a_line_each() -> None:
    raw = mail([*header(From="eve@x.example"), ("X-Spam-Flag", "NO"), ("X-Spam-Flag", "YES")], "x")
    assert parse(raw).headers["x-spam-flag"] == "NO\nYES"


def test_marks_of_spam_come_before_a_flood_of_headers() -> None:
    many = [(f"X-Junk-{number}", "y" * 900) for number in range(200)]
    found = parse(mail([*header(From="eve@x.example"), *many, ("X-Spam-Flag", "YES")], "x")).headers
    assert found["x-spam-flag"] == "YES"
    assert len(found) <= MOST_HEADERS
    assert sum(map(len, found.values())) <= ALL_CHARS
    assert max(map(len, found.values())) <= VALUE_CHARS


def test_traces_and_signatures_are_left_out() -> None:
    noise = header(DKIM_Signature="v=1; a=rsa", ARC_Seal="i=1", Received="from a by b", X_Google_DKIM_Signature="v=1")
    assert parse(mail([*header(From="eve@x.example"), *noise], "x")).headers == {}


def test_they_survive_the_way_from_the_child() -> None:
    parsed = parse(simple(X_Shop="vip"))
    assert from_wire(*to_wire(parsed)).headers == parsed.headers != {}
