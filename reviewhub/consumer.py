"""The worker's consumer, which survives messages that no task of ours could have sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

logger = logging.getLogger("reviewhub.consumer")


class SteadyConsumer(Consumer):  # type: ignore[misc]
    """Celery's own, which ends with the worker where a forged message lacks a header it reads.

    Messages carry no work of their own, so one that cannot be read is dropped and logged.
    """

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def received(message: Any) -> None:
            try:
                handle(message)
            # First of all: the Redis transport counts a KeyError among its connection errors.
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                logger.error("an unreadable message was dropped: %r", error)
                if not message.acknowledged:
                    message.reject_log_error(logger, self.connection_errors)

        return received
