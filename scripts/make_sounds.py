"""Makes the sounds of notices under helpdesk/static/sounds/: sine tones that fade, nothing taken from anywhere."""

import math
import wave
from pathlib import Path

RATE = 16_000
FOLDER = Path(__file__).parent.parent / "helpdesk" / "static" / "sounds"

# Name: tones as (hertz, begins at, seconds, loudness).
SOUNDS = {
    "soft": [(587.3, 0.0, 0.28, 0.22), (880.0, 0.09, 0.30, 0.18)],
    "clear": [(880.0, 0.0, 0.22, 0.45), (1174.7, 0.12, 0.24, 0.45), (1568.0, 0.24, 0.32, 0.40)],
}


def samples(tones: list[tuple[float, float, float, float]]) -> bytes:
    """16-bit mono samples of the tones together; each rises in 5 ms and fades away."""
    length = max(begin + seconds for _hertz, begin, seconds, _loud in tones)
    found = bytearray()
    for number in range(int(length * RATE)):
        at, value = number / RATE, 0.0
        for hertz, begin, seconds, loud in tones:
            since = at - begin
            if 0 <= since < seconds:
                fade = min(1.0, since / 0.005) * (1 - since / seconds) ** 2
                value += loud * fade * math.sin(2 * math.pi * hertz * since)
        found += int(max(-1.0, min(1.0, value)) * 32767).to_bytes(2, "little", signed=True)
    return bytes(found)


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, tones in SOUNDS.items():
        with wave.open(str(FOLDER / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples(tones))


if __name__ == "__main__":
    main()
