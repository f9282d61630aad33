"""Several connections at once, as several processes have them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """The answers or errors of ``work(number)`` in threads with connections of their own, all starting at once."""
    start, found = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        try:
            start.wait()
            found[number] = work(number)
        except Exception as error:
            found[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
