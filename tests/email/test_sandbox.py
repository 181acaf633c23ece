"""The parsing child: what it answers, and that nothing a mail does to it reaches the worker."""

import os
import signal
import threading
import time

import psutil
import pytest

from queues.channels.email import limits, sandbox
from queues.channels.email.parse import parse
from queues.channels.email.sandbox import MailParser, ParseCrashed, ParseTimeout
from tests.email.bombs import bombs
from tests.email.build import file_part, multipart, simple, text_part
from tests.email.ordinary import ordinary_mails


def _child(parser: MailParser) -> psutil.Process:
    assert parser._child is not None
    return psutil.Process(parser._child._process.pid)


def test_the_child_gives_what_parsing_here_gives() -> None:
    with MailParser() as parser:
        for made in ordinary_mails(30, seed=3):
            assert parser.parse(made.raw) == parse(made.raw)


def test_one_child_serves_many_mails() -> None:
    with MailParser() as parser:
        parser.parse(simple())
        first = _child(parser).pid
        for _number in range(20):
            parser.parse(simple())
        assert _child(parser).pid == first


def test_large_files_come_through_whole() -> None:
    content = os.urandom(8 * 1024 * 1024)
    content_type, body = multipart("mixed", [text_part("x"), file_part("a.bin", content)], "b")
    with MailParser() as parser:
        mail = parser.parse(simple("", content_type=content_type) + body)
    assert mail.attachments[0].content == content


def test_a_child_that_died_is_replaced() -> None:
    with MailParser() as parser:
        parser.parse(simple())
        _child(parser).kill()
        _child(parser).wait()
        assert parser.parse(simple(Subject="again")).subject == "again"


def test_a_child_that_is_killed_over_a_mail_is_replaced_and_the_mail_is_read() -> None:
    with MailParser() as parser:
        parser.parse(simple())
        child = _child(parser)
        child.suspend()
        threading.Timer(0.3, child.kill).start()
        assert parser.parse(simple(Subject="read after all")).subject == "read after all"


def test_a_mail_that_kills_every_child_is_an_error_of_that_mail_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailParser() as parser:
        with monkeypatch.context() as dying:
            dying.setattr(sandbox, "_CHILD_PROGRAM", "raise SystemExit")
            with pytest.raises(ParseCrashed):
                parser.parse(simple())
            mail = parser.parse_or_headers(simple(Subject="kept"))
            assert (mail.subject, mail.headers_only) == ("kept", True)
            assert "parse-crashed" in {problem.code for problem in mail.problems}
        assert parser.parse(simple(Subject="next")).subject == "next"


def test_a_child_that_burns_its_processor_time_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    burn = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    monkeypatch.setattr(sandbox, "_CHILD_PROGRAM", burn)
    with MailParser(wall_seconds=60) as parser, pytest.raises(ParseTimeout):
        parser.parse(simple())


def test_a_stop_of_the_service_does_not_cost_the_mail_in_hand() -> None:
    with MailParser() as parser:
        parser.parse(simple())
        child = _child(parser)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        assert parser.parse(simple()).subject == "A question"
        assert _child(parser).pid == child.pid


def test_a_child_that_hangs_is_killed_and_the_headers_remain() -> None:
    with MailParser(wall_seconds=0.5) as parser:
        parser.wall_seconds = 10
        parser.parse(simple())
        parser.wall_seconds = 0.5
        stuck = _child(parser)
        stuck.suspend()
        with pytest.raises(ParseTimeout):
            parser.parse(simple("y" * 3_000_000))
        assert not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE
        parser.wall_seconds = 10
        parser.parse(simple())
        _child(parser).suspend()
        parser.wall_seconds = 0.5
        mail = parser.parse_or_headers(simple(Subject="kept"))
        assert (mail.subject, mail.headers_only) == ("kept", True)
        assert "parse-timeout" in {problem.code for problem in mail.problems}


def test_the_child_has_limits_of_its_own() -> None:
    with MailParser() as parser:
        parser.parse(simple())
        child = _child(parser)
        assert child.rlimit(psutil.RLIMIT_AS) == (limits.CHILD_MEMORY, limits.CHILD_MEMORY)
        soft, _hard = child.rlimit(psutil.RLIMIT_CPU)
        assert 0 < soft <= limits.CHILD_CPU_SECONDS + 2


def test_a_child_is_retired_after_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHILD_MAILS", 2)
    with MailParser() as parser:
        parser.parse(simple())
        first = _child(parser).pid
        parser.parse(simple())
        parser.parse(simple())
        assert _child(parser).pid != first


def test_a_child_that_grew_is_retired(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailParser() as parser:
        parser.parse(simple())
        first = _child(parser).pid
        monkeypatch.setattr(limits, "CHILD_RESIDENT", 1)
        parser.parse(simple())
        parser.parse(simple())
        assert not psutil.pid_exists(first)


def test_no_child_outlives_its_parser() -> None:
    parser = MailParser()
    parser.parse(simple())
    child = _child(parser)
    parser.close()
    assert not child.is_running()


def test_a_child_ends_when_its_worker_is_killed() -> None:
    reader, writer = os.pipe()
    worker = os.fork()
    if worker == 0:
        parser = MailParser()
        parser.parse(simple())
        os.write(writer, str(_child(parser).pid).encode())
        time.sleep(60)
        os._exit(0)
    child = psutil.Process(int(os.read(reader, 20)))
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    _gone, alive = psutil.wait_procs([child], timeout=20)
    assert not alive
    os.close(reader)
    os.close(writer)


def test_an_answer_that_makes_no_sense_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailParser() as parser:
        monkeypatch.setattr(sandbox._Child, "ask", lambda *_arguments: ({"mail": {"subject": 1}}, []))
        with pytest.raises(ParseCrashed):
            parser.parse(simple())


def test_bombs_pass_through_one_child() -> None:
    with MailParser() as parser:
        for name, raw in bombs():
            if len(raw) < 1_500_000:
                parser.parse(raw)
                assert _child(parser).memory_info().rss < 300 * 1024 * 1024, name


def test_threads_share_a_parser() -> None:
    found: list[str] = []
    with MailParser() as parser:

        def work(number: int) -> None:
            found.append(parser.parse(simple(Subject=f"mail {number}")).subject)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [f"mail {number}" for number in range(8)]
