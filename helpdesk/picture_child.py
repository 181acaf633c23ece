"""A program of its own: reads a picture of a stranger from its input, writes a copy of its pixels to its output.

It is started with limits on memory and time, knows nothing of the helpdesk, and may be killed at any moment.
"""

import resource
import sys
from io import BytesIO

from PIL import Image, ImageOps

LONGEST_SIDE = 1600
MOST_PIXELS = 25_000_000
MEMORY = 1024 * 1024 * 1024
CPU_SECONDS = 10


def copy(content: bytes) -> bytes:
    """A PNG or JPEG with the pixels of the picture's first frame. Raises whatever the decoder raises."""
    with Image.open(BytesIO(content), formats=("PNG", "JPEG", "GIF", "WEBP")) as source:
        if source.width * source.height > MOST_PIXELS:
            raise ValueError("too many pixels")
        as_photo = source.format in {"JPEG", "WEBP"}
        source.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        picture = ImageOps.exif_transpose(source)
        see_through = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
        picture = picture.convert("RGBA" if see_through else "RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    clean = Image.new(picture.mode, picture.size)
    clean.paste(picture)
    out = BytesIO()
    if as_photo and not see_through:
        clean.save(out, "JPEG", quality=85)
    else:
        clean.save(out, "PNG", optimize=True)
    return out.getvalue()


def run() -> None:
    """Limit this process, then copy."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.stdout.buffer.write(copy(sys.stdin.buffer.read()))


if __name__ == "__main__":
    run()
