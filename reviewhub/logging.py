"""One line per record, whatever the text holds: a caller's newline must not forge a log line."""

from __future__ import annotations

import logging

from reviewhub import request_ids


class LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in record.message)
        line = super().formatMessage(record)
        number = request_ids.current()
        return f"{line} request={number}" if number else line
