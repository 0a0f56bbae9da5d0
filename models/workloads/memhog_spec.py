"""The phase words of the measured guests' load generator: `kind=mix,n=40000,seed=11,apat=zipf,aalpha=0.8,wpm=300`."""

from __future__ import annotations

from typing import NamedTuple

from models.errors import InputError

KINDS = ("fill", "mix", "compile")
PATTERNS = ("seq", "uni", "zipf", "hotcold")


class Pattern(NamedTuple):
    """How the accesses to one region are spread.

    span: pages that take part, 0 all of them; rotate, stride, block: pages; hot, hot_accesses: per thousand
    """

    kind: str = "uni"
    alpha: float = 1.0
    span: int = 0
    rotate: int = 0
    stride: int = 1
    scatter: bool = False
    block: int = 1
    hot: int = 100
    hot_accesses: int = 900

    def span_of(self, size: int) -> int:
        """Pages of a region of `size` pages that take part."""
        return min(self.span or size, size)


class Spec(NamedTuple):
    """One phase.  n: accesses of a mix; the rest up to `base_touches` and `outputs` is of a compile phase, in pages or a unit."""

    kind: str
    seed: int
    n: int = 0
    think: int = 0
    writes: int = 0
    file_share: int = 0
    anon: Pattern = Pattern()
    file: Pattern = Pattern()
    units: int = 0
    headers: int = 0
    unit_headers: int = 0
    header: Pattern = Pattern()
    unit_sources: int = 0
    sources: int = 0
    heap: int = 0
    heap_touches: int = 0
    base_touches: int = 0
    outputs: int = 0

    @property
    def ops_of_unit(self) -> int:
        """Ops of one unit of a compile phase."""
        reads = 8 * self.unit_headers + self.unit_sources
        return reads + self.heap + self.heap_touches + self.base_touches + self.outputs + 2


class _Words:
    """The words of one phase, taken one by one; what is left over is an error."""

    def __init__(self, text: str, number: int) -> None:
        self.where = f"workload memhog: phases[{number}]"
        self.words: dict[str, str] = {}
        for part in text.split(","):
            key, sign, value = part.partition("=")
            if not sign:
                raise InputError(f"{self.where}: found {part!r}; expected key=value, as in kind=mix,n=40000,seed=11")
            self.words[key.strip()] = value.strip()

    def whole(self, key: str, default: int, least: int = 0) -> int:
        text = self.words.pop(key, None)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise InputError(f"{self.where}: {key}={text}; expected a whole number of at least {least}")
        return value

    def share(self, key: str, default: int) -> int:
        value = self.whole(key, default)
        if value > 1000:
            raise InputError(f"{self.where}: {key}={value}; expected 0 to 1000 (thousandths)")
        return value

    def real(self, key: str, default: float) -> float:
        text = self.words.pop(key, None)
        try:
            return default if text is None else float(text)
        except ValueError:
            raise InputError(f"{self.where}: {key}={text}; expected a number") from None

    def one_of(self, key: str, choices: tuple[str, ...], default: str) -> str:
        text = self.words.pop(key, default)
        if text not in choices:
            raise InputError(f"{self.where}: {key}={text}; expected one of {', '.join(choices)}")
        return text

    def pattern(self, prefix: str) -> Pattern:
        kind = self.one_of(prefix + "pat", PATTERNS, "uni")
        return Pattern(
            kind,
            self.real(prefix + "alpha", 1.0),
            self.whole(prefix + "span", 0),
            self.whole(prefix + "rot", 0),
            self.whole(prefix + "stride", 1) or 1,
            bool(self.whole(prefix + "scatter", int(kind in ("zipf", "hotcold")))),
            self.whole(prefix + "sblk", 1) or 1,
            self.share(prefix + "hotpm", 100),
            self.share(prefix + "hotacc", 900),
        )


def parse(text: str, number: int) -> Spec:
    """Phase number `number` from its words.  Raises InputError naming the word that is wrong."""
    words = _Words(text, number)
    kind = words.one_of("kind", KINDS, "mix")
    seed = words.whole("seed", number + 1)
    words.whole("maxsec", 0)  # the guest's limit of real time
    if kind == "fill":
        spec = Spec(kind, seed)
    elif kind == "mix":
        spec = Spec(
            kind, seed, words.whole("n", 0), words.whole("think", 0), words.share("wpm", 0), words.share("fpm", 0),
            words.pattern("a"), words.pattern("f"),
        )  # fmt: skip
    else:
        spec = _compile(words, seed)
    if words.words:
        raise InputError(f"{words.where}: {', '.join(words.words)} is not a word of a {kind} phase")
    return spec


def _compile(words: _Words, seed: int) -> Spec:
    alpha = words.real("halpha", 1.0)
    return Spec(
        "compile",
        seed,
        units=words.whole("units", 10),
        headers=words.whole("hdrn", 4096, 8),
        unit_headers=words.whole("hdrf", 20),
        header=Pattern("zipf", alpha, scatter=True),
        unit_sources=words.whole("srcp", 16),
        sources=words.whole("srcn", 8192, 1),
        heap=words.whole("ap", 4096, 1),
        heap_touches=words.whole("at", 8192),
        base_touches=words.whole("bt", 16),
        outputs=words.whole("op", 8),
    )
