"""What the processes of a stage cost while something happens: processor time, and whether their memory grows."""

import statistics
import threading
import time

import psutil

SAMPLE_SECONDS = 10.0


class Meter:
    """Processor time and memory of the processes of each part, looked at every few seconds."""

    def __init__(self, roots: dict[str, psutil.Process]) -> None:
        self.roots = roots
        self.memory: list[tuple[float, dict[str, float]]] = []
        self._began = self._processor()
        self._end = threading.Event()
        self._at = time.monotonic()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """End; gives the seconds of processor time that each part took."""
        self._end.set()
        self._thread.join()
        return {name: seconds - self._began[name] for name, seconds in self._processor().items()}

    def slope(self, name: str) -> float:
        """By how many MB a part grew in a minute, after the first third, as a straight line through the samples."""
        samples = [(at, memory[name]) for at, memory in self.memory[len(self.memory) // 3 :]]
        if len(samples) < 3:
            return 0.0
        return statistics.linear_regression(*zip(*samples, strict=True)).slope * 60

    def _processor(self) -> dict[str, float]:
        return {name: sum(_seconds(one) for one in _family(root)) for name, root in self.roots.items()}

    def _look(self) -> None:
        while True:
            sizes = {name: sum(_private(one) for one in _family(root)) for name, root in self.roots.items()}
            self.memory.append((time.monotonic() - self._at, sizes))
            if self._end.wait(SAMPLE_SECONDS):
                return


def _family(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _private(process: psutil.Process) -> float:
    """MB that belong to this process alone: what is shared with others must not be counted for each."""
    try:
        return float(process.memory_full_info().uss) / 1_000_000
    except psutil.NoSuchProcess:
        return 0.0
