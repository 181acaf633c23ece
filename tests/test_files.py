"""The store of files: durable, shared, bound to its database, and swept without harm."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from helpdesk import files, picture_child, pictures
from helpdesk.db import db, transaction
from helpdesk.errors import NotFound, StartError
from helpdesk.models import Attachment, Blob, Setting

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def empty_store(app: Any) -> Iterator[None]:
    yield
    with app.app_context():
        for path in files.store().folder.glob("*/*/*"):
            path.unlink()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def age(content: bytes) -> None:
    """Make a stored content look ten days old."""
    path = files.store().path(sha(content))
    old = path.stat().st_mtime - 10 * 24 * 3600
    os.utime(path, (old, old))
    db.session.execute(sa.update(Blob).values(created_at=Blob.created_at - timedelta(days=10)))
    db.session.commit()


def picture(format: str = "PNG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, format, **options)
    return out.getvalue()


def test_put_many_shares_equal_contents_and_keeps_order(session: Any) -> None:
    blobs = files.put_many([b"one", b"two", b"one"])
    assert [blob.sha256 for blob in blobs] == [sha(b"one"), sha(b"two"), sha(b"one")]
    assert [blob.size for blob in blobs] == [3, 3, 3]
    assert files.put(b"two").sha256 == sha(b"two")
    with files.open_blob(sha(b"one")) as file:
        assert file.read() == b"one"


def test_files_are_private_whatever_the_umask(session: Any) -> None:
    before = os.umask(0)
    try:
        path = files.store().path(files.put(b"private").sha256)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, files.store().folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_lost_file_comes_back_with_the_next_put(session: Any) -> None:
    blob = files.put(b"lost and found")
    files.store().remove(blob.sha256)
    with pytest.raises(NotFound):
        files.open_blob(blob.sha256)
    files.put(b"lost and found")
    with files.open_blob(blob.sha256) as file:
        assert file.read() == b"lost and found"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "g" * 64, "a" * 63])
def test_only_hashes_name_files(session: Any, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        files.store().path(name)


def test_sweep_takes_what_nothing_uses(committed: Any, make_committed: Any) -> None:
    cast = make_committed.cast()
    message = make_committed.hear(make_committed.ticket(cast.support), "см. файл")
    files.attach(message, "used.txt", "text/plain", b"in use")
    files.put(b"unused")
    db.session.commit()
    age(b"in use")
    age(b"unused")
    files.put(b"young and unused")
    db.session.commit()
    assert files.sweep(DAY) == 1
    assert set(db.session.scalars(sa.select(Blob.sha256))) == {sha(b"in use"), sha(b"young and unused")}
    assert not files.store().path(sha(b"unused")).exists()
    assert files.store().path(sha(b"in use")).exists()


def test_sweep_takes_files_without_a_row_after_the_delay(committed: Any) -> None:
    files.put(b"written, never committed")
    db.session.rollback()
    path = files.store().path(sha(b"written, never committed"))
    assert path.exists()
    assert files.sweep(DAY) == 0
    age(b"written, never committed")
    assert files.sweep(DAY) == 1
    assert not path.exists()


def test_sweep_leaves_what_a_running_transaction_has_just_taken(committed: Any) -> None:
    files.put(b"taken just now")
    db.session.commit()
    age(b"taken just now")
    files.put(b"taken just now")  # holds the row until this transaction ends
    with db.engine.connect() as other:
        skipped = other.execute(sa.text("SELECT sha256 FROM blobs FOR UPDATE SKIP LOCKED")).all()
        other.rollback()
    assert skipped == []
    db.session.rollback()


def test_a_store_of_another_database_is_refused(app: Any, tmp_path: Path) -> None:
    foreign = files.Store(tmp_path / "files")
    foreign.write_id("somebody-elses")
    with app.app_context():
        files.store()
        with pytest.raises(StartError, match="does not hold the files of this database"):
            files._bind(foreign)


def test_an_empty_folder_under_a_used_database_is_refused(committed: Any, tmp_path: Path) -> None:
    files.put(b"something")
    committed.commit()
    with pytest.raises(StartError, match="missing"):
        files._bind(files.Store(tmp_path / "files"))


def test_a_used_folder_under_a_fresh_database_is_refused(committed: Any, tmp_path: Path) -> None:
    used = files.Store(tmp_path / "files")
    used.write_id("used-elsewhere")
    used.write(sha(b"x"), b"x")
    committed.execute(sa.delete(Setting).where(Setting.key == files.STORE_ID))
    committed.commit()
    with pytest.raises(StartError, match="used-elsewhere"):
        files._bind(used)


@pytest.mark.parametrize("crashed_after", ["nothing", "the folder", "the database"])
def test_the_first_process_binds_folder_and_database(committed: Any, tmp_path: Path, crashed_after: str) -> None:
    fresh = files.Store(tmp_path / "files")
    if crashed_after != "the database":
        committed.execute(sa.delete(Setting).where(Setting.key == files.STORE_ID))
        committed.commit()
    if crashed_after == "the folder":
        fresh.write_id("half-way")
    for _start in range(2):
        files._bind(fresh)
    committed.rollback()
    assert committed.get(Setting, files.STORE_ID).value == fresh.read_id()


# --- pictures


def test_only_pictures_wait_for_a_safe_copy(cast: Any, make: Any) -> None:
    message = make.hear(make.ticket(cast.support), "фото")
    states = {
        name: files.attach(message, name, "image/png", content).preview_state
        for name, content in {
            "real.png": picture(),
            "real.jpg": picture("JPEG"),
            "real.gif": picture("GIF"),
            "real.webp": picture("WEBP"),
            "lie.png": b"<html><script>alert(1)</script>",
            "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        }.items()
    }
    assert states == {
        "real.png": "due",
        "real.jpg": "due",
        "real.gif": "due",
        "real.webp": "due",
        "lie.png": "none",
        "drawing.svg": "none",
    }


def test_repainting_drops_everything_but_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    source = picture("JPEG", exif=exif) + b"<script>alert('polyglot')</script>"
    painted = pictures.repaint(source)
    assert painted is not None
    assert b"secret place" not in painted
    assert b"script" not in painted
    with Image.open(io.BytesIO(painted)) as result:
        assert (result.format, result.size) == ("JPEG", (40, 30))


def test_transparency_stays_and_large_pictures_shrink() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (3000, 1500), (255, 0, 0, 10)).save(out, "PNG")
    painted = pictures.repaint(out.getvalue())
    assert painted is not None
    with Image.open(io.BytesIO(painted)) as result:
        assert result.format == "PNG"
        assert result.mode == "RGBA"
        assert max(result.size) == picture_child.LONGEST_SIDE


def test_bombs_and_broken_pictures_are_given_up() -> None:
    assert pictures.repaint(picture("PNG", (30_000, 3_000))) is None
    assert pictures.repaint(picture("PNG")[:60]) is None
    assert pictures.repaint(b"\x89PNG\r\n\x1a\n" + b"x" * 1000) is None


def test_due_pictures_are_made_once_and_shared(committed: Any, make_committed: Any) -> None:
    cast = make_committed.cast()
    message = make_committed.hear(make_committed.ticket(cast.support), "логотип")
    with transaction():
        files.attach(message, "logo.png", "image/png", picture(), inline=True, content_id="<logo@x>")
        files.attach(message, "again.png", "image/png", picture())
        files.attach(message, "broken.png", "image/png", b"\x89PNG\r\n\x1a\nbroken")
    assert pictures.paint_due() == 3
    assert pictures.paint_due() == 0
    rows = list(db.session.scalars(sa.select(Attachment).order_by(Attachment.id)))
    assert [row.preview_state for row in rows] == ["made", "made", "failed"]
    assert rows[0].preview_sha256 == rows[1].preview_sha256 is not None
    assert rows[0].content_id == "logo@x"
    age(picture())
    assert files.sweep(DAY) == 0


def test_a_shown_picture_is_handed_to_the_server_from_its_first_byte(app: Any, cast: Any, make: Any) -> None:
    """Servers give the descriptor to sendfile(2): what was peeked at must not be missing from the answer."""
    import os

    from helpdesk.views.files import _shown

    blob = files.put(picture(size=(400, 300)))
    handed: list[int] = []

    def wrapper(file: Any, _block: int = 8192) -> list[bytes]:
        handed.append(os.lseek(file.fileno(), 0, os.SEEK_CUR))
        return [file.read()]

    with app.test_request_context(environ_overrides={"wsgi.file_wrapper": wrapper}):
        response = _shown(blob.sha256)
        assert response.mimetype == "image/png"
    assert handed == [0]
