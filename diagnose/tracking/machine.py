"""What a machine does while it trains, under the names of MLflow's own system metrics; MLflow is not imported."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

#: An even number of samples: when there are more, every second one goes, and the next ones are taken half as often.
MOST_SAMPLES = 1_000
#: Seconds for which `stop` waits for a sample that is being taken.
_PATIENCE = 2.0
_MEGABYTE, _PERCENT = 1e6, 100.0

Values = dict[str, float]
Probe = Callable[[], Values]


class MachineLoad:
    """Looks at the machine now and then, in a thread of its own.

    It raises nothing: what cannot be read is not there, and without psutil there is nothing. A copy, a pickled one and
    the one of a forked process have no samples and no thread; they can be started anew.

    Parameters
    ----------
    interval
        Seconds between two samples at first; a training of weeks has rarer ones, about `MOST_SAMPLES` at most.

    Examples
    --------
    >>> load = MachineLoad()
    >>> load.start()
    >>> sorted(load.stop())[:2]  # doctest: +SKIP
    ['system/cpu_utilization_percentage', 'system/disk_available_megabytes']
    """

    def __init__(self, interval: float = 10.0) -> None:
        self.interval = interval
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        # Replaced as a whole and only grown by one thread, so that no lock is needed, which a fork could leave closed.
        self._samples: list[tuple[int, float, Values]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"interval": self.interval}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.interval = state["interval"]
        self._forget()

    def start(self) -> None:
        """Begin to take samples, the first one at once; where it has begun already, nothing."""
        if self._process != os.getpid():
            self._forget()
        if self._thread is not None:
            return
        with suppress(Exception):  # no more threads are allowed
            thread = threading.Thread(target=self._watch, name="kerasdx-machine-load", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self) -> Mapping[str, list[tuple[float, float, float]]]:
        """Take a last sample, end, and return what was seen.

        Returns
        -------
        Mapping
            Metric -> (number of the sample, value, when it was taken in seconds since 1970); percent, megabytes
            (1,000,000 bytes) or watts, as the name says. Numbers of samples go up with time.
        """
        if self._process != os.getpid():
            return {}
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for step, taken, values in self._samples:
            for name, value in values.items():
                found.setdefault(name, []).append((float(step), value, taken))
        return found

    def _watch(self) -> None:
        with suppress(Exception):
            probes = list(_probes())
            step = stride = 1
            self._take(0, probes)
            while not self._ending.wait(self.interval * stride):
                self._take(step, probes)
                if len(self._samples) > MOST_SAMPLES:
                    self._samples = self._samples[::2]
                    stride *= 2
                step += stride
            self._take(step, probes)
        with suppress(Exception):
            _release()

    def _take(self, step: int, probes: list[Probe]) -> None:
        values: Values = {}
        for probe in probes:
            with suppress(Exception):
                values |= probe()
        if values:
            self._samples.append((step, time.time(), {f"system/{name}": value for name, value in values.items()}))


def _probes() -> Iterator[Probe]:
    """Yield what there is to look at; each is asked by the thread that asks for them here."""
    with suppress(ImportError):
        import psutil

        yield from (_processors(psutil), lambda: _memory(psutil), lambda: _disk(psutil))
        with suppress(Exception):
            yield _network(psutil)
        yield _process_memory(psutil.Process())
    with suppress(Exception):
        yield from _gpus()


def _processors(psutil: Any) -> Probe:
    """Return a look at the processors since the look before, of which the first one therefore tells nothing."""
    psutil.cpu_percent()
    was_asked = False

    def probe() -> Values:
        nonlocal was_asked
        before, was_asked = was_asked, True
        return {"cpu_utilization_percentage": psutil.cpu_percent()} if before else {}

    return probe


def _memory(psutil: Any) -> Values:
    memory = psutil.virtual_memory()
    return {
        "system_memory_usage_megabytes": memory.used / _MEGABYTE,
        "system_memory_usage_percentage": _PERCENT * memory.used / memory.total,
    }


def _disk(psutil: Any) -> Values:
    disk = psutil.disk_usage(os.sep)
    return {
        "disk_usage_percentage": disk.percent,
        "disk_usage_megabytes": disk.used / _MEGABYTE,
        "disk_available_megabytes": disk.free / _MEGABYTE,
    }


def _network(psutil: Any) -> Probe:
    before = psutil.net_io_counters()

    def probe() -> Values:
        now = psutil.net_io_counters()
        return {
            "network_receive_megabytes": (now.bytes_recv - before.bytes_recv) / _MEGABYTE,
            "network_transmit_megabytes": (now.bytes_sent - before.bytes_sent) / _MEGABYTE,
        }

    return probe


def _process_memory(process: Any) -> Probe:
    return lambda: {"process_memory_megabytes": process.memory_info().rss / _MEGABYTE}


def _gpus() -> Iterator[Probe]:
    """Yield a look at each of NVIDIA's GPUs; their package is an optional one."""
    import pynvml

    pynvml.nvmlInit()
    _taken.append(True)
    for number in range(pynvml.nvmlDeviceGetCount()):
        yield _gpu(pynvml, f"gpu_{number}", pynvml.nvmlDeviceGetHandleByIndex(number))


def _gpu(pynvml: Any, name: str, handle: Any) -> Probe:
    def probe() -> Values:
        values: Values = {}
        with suppress(Exception):
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            values[f"{name}_memory_usage_percentage"] = _PERCENT * memory.used / memory.total
            values[f"{name}_memory_usage_megabytes"] = memory.used / _MEGABYTE
        with suppress(Exception):
            values[f"{name}_utilization_percentage"] = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        with suppress(Exception):
            watts = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
            values[f"{name}_power_usage_watts"] = watts
            limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
            values[f"{name}_power_usage_percentage"] = _PERCENT * watts / limit
        return values

    return probe


#: An entry for each time that it was.
_taken: list[bool] = []


def _release() -> None:
    """Give NVIDIA's library back, where it was taken."""
    while _taken:
        _taken.pop()
        sys.modules["pynvml"].nvmlShutdown()
