"""What time a line says it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime

EPOCH = 100_000_000  # a number alone on a line from here on is seconds since 1970

_DECORATION = re.compile(r"^[#=*\-\s]*(?:(?:time|timestamp|date|sample|snapshot|at)\b\s*[:=]?\s*)?", re.I)
_ISO = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d|[A-Z]{2,5})?(?=\s|$)")
_DATE = re.compile(r"^[A-Z][a-z]{2}\s+([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d\d:\d\d:\d\d)(?:\s+([AP]M))?(?:\s+\S+)?\s+(\d{4})$")
_UPTIME = re.compile(r"^(\d+\.\d\d) \d+\.\d\d$")


def time_of(line: str) -> float | None:
    """Seconds, if the line is a time and nothing else: of `date`, `date +%s`, `date -Is`, /proc/uptime; `#` or `time:` before it."""
    text = _DECORATION.sub("", line.strip()).rstrip("-= ")
    if (found := _UPTIME.match(text)) is not None:
        return float(found[1])
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) >= EPOCH:
            return float(text)
        if (found := _DATE.match(text)) is not None:
            clock = "%I:%M:%S %p" if found[4] else "%H:%M:%S"
            parts = f"{found[1]} {found[2]} {found[3]}{f' {found[4]}' if found[4] else ''} {found[5]}"
            return datetime.strptime(parts, f"%b %d {clock} %Y").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    before, rest = leading_time(text)
    return before if not rest else None


def leading_time(text: str) -> tuple[float | None, str]:
    """(seconds, what follows) of a line that begins with a date and time; (None, the line) if it does not.  The zone is left out."""
    found = _ISO.match(text)
    if found is None:
        return None, text
    try:
        stamp = datetime.fromisoformat(f"{found[1]} {found[2]}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None, text
    return stamp + float(f"0.{found[3] or 0}"), text[found.end() :].strip()
