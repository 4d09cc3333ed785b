"""Bodies of alerts as monitors send them, and as nobody should: a seeded mutator.

What it makes is the bytes of a request and what must become of them, as far as that is known from
the specification of the intake alone (a 202 under this key, a refusal, or either).
"""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
REPLACED = "\N{REPLACEMENT CHARACTER}"
KEYS = 60
MEBIBYTE = 1024 * 1024


@dataclass
class Sent:
    """`expected`: the status, None where either is right; `key`: under which it is to be stored."""

    name: str
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    expected: int | None = None
    key: str = ""


def make(rng: random.Random) -> Sent:
    """One request. The same `rng` makes the same ones."""
    kind = rng.random()
    if kind < 0.4:
        return _harmless(rng)
    if kind < 0.6:
        return _wrong(rng)
    return _broken(rng)


def _fact(rng: random.Random) -> dict[str, Any]:
    """A good body; `dedup_key` tells the rows apart."""
    fact: dict[str, Any] = {
        "dedup_key": f"host-{rng.randrange(KEYS)}",
        "summary": rng.choice(["Checkout is down", "Диск полон 💥", "x"]),
    }
    more = {
        "status": rng.choice(["firing", "firing", "resolved", "FIRING"]),
        "service": rng.choice(["checkout", "nowhere", ""]),
        "severity": rng.choice(["SEV1", "critical", "P3", "whatever", ""]),
        "description": "See the graphs.",
        "links": [{"href": "https://graphs.example.org/1", "text": "Graphs"}],
        "labels": {"zone": "eu-1", "pod": 7, "ready": False},
        "started_at": "2026-03-02T09:58:00Z",
    }
    for name in rng.sample(sorted(more), rng.randrange(len(more))):
        fact[name] = more[name]
    return fact


# --- Odd, and yet an alert: nothing of it may be lost ---------------------------------------------


def _harmless(rng: random.Random) -> Sent:
    fact = _fact(rng)
    change = rng.choice(HARMLESS)
    key = fact["dedup_key"]
    body = change(fact, rng)
    raw = body if isinstance(body, bytes) else json.dumps(fact).encode()
    if "dedup_key" in fact and isinstance(body, str):
        key = body
    name = change.__name__
    return Sent(name, raw, rng.choice([JSON, f"{JSON}; charset=utf-8"]), {}, 202, key)


def nothing_odd(fact, rng):
    """Every third one is an ordinary body."""


def control_characters(fact, rng):
    fact["description"] = "".join(map(chr, rng.sample(range(32), 8)))


def nul_in_the_text(fact, rng):
    fact["summary"] = "down\x00 again\x00"


def nul_in_the_key(fact, rng):
    fact["dedup_key"] += "\x00"
    return fact["dedup_key"].replace("\x00", REPLACED)


def lone_surrogates(fact, rng):
    fact["summary"] = "\ud800 half \udfff"
    fact["labels"] = {"\udc00": "\ud83d"}


def surrogate_in_the_key(fact, rng):
    fact["dedup_key"] += "\udead"
    return fact["dedup_key"][:-1] + REPLACED


def gigantic_text(fact, rng):
    fact[rng.choice(["summary", "description", "severity", "service"])] = "é" * 30_000


def gigantic_key(fact, rng):
    fact["dedup_key"] = f"{fact['dedup_key']}:" + "k" * rng.choice([255, 4_000])
    return ""  # cut, with a hash: whatever the answer says


def unknown_fields(fact, rng):
    fact |= {f"x-{n}": rng.choice([None, 1.5, [], {}, "x"]) for n in range(rng.randrange(40))}


def deep_but_allowed(fact, rng):
    value: Any = 1
    for _ in range(25):
        value = [value]
    fact["labels"] = {"deep": value}


def many_labels(fact, rng):
    fact["labels"] = {f"label-{n}": "v" * 600 for n in range(150)}


def many_links(fact, rng):
    link = {"href": rng.choice(["javascript:alert(1)", "https://x.example/" + "y" * 2_000, ""])}
    fact["links"] = [link] * 100


def strange_times(fact, rng):
    fact["started_at"] = rng.choice(
        [
            *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "now", "1e9"),
            *("2026-03-02T25:00:00Z", "٢٠٢٦-٠٣-٠٢", "2026-W10-1", "2026-03-02T10:00:60Z", "-1"),
        ]
    )


def nulls(fact, rng):
    for name in set(fact) - {"dedup_key", "summary"}:
        fact[name] = None


def huge_numbers_aside(fact, rng):
    fact["labels"] = {"big": 10**300, "small": -(2**63) - 1, "float": 1.7976931348623157e308}


def byte_order_mark(fact, rng):
    return b"\xef\xbb\xbf" + json.dumps(fact).encode()


def invalid_utf8_in_a_text(fact, rng):
    fact["description"] = "@@"
    return json.dumps(fact).encode().replace(b"@@", rng.choice([b"\xff\xfe", b"\xc0\xaf", b"\xed"]))


def white_space_around(fact, rng):
    return b" \r\n\t" + json.dumps(fact, indent=3).encode() + b"\n\n"


def unescaped_unicode(fact, rng):
    fact["summary"] = "Größe 你好 \u202e\u2066 🏳️‍🌈"
    return json.dumps(fact, ensure_ascii=False).encode()


def doubled_keys(fact, rng):
    return json.dumps(fact).encode()[:-1] + b', "summary": "the last one counts"}'


def markup_and_formulas(fact, rng):
    fact["summary"] = rng.choice(
        ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "{{7*7}}", "'; DROP TABLE x;--", "%s%n"]
    )


HARMLESS: list[Callable[[dict[str, Any], random.Random], Any]] = [
    *(nothing_odd, control_characters, nul_in_the_text, nul_in_the_key, lone_surrogates),
    *(surrogate_in_the_key, gigantic_text, gigantic_key, unknown_fields, deep_but_allowed),
    *(many_labels, many_links, strange_times, nulls, huge_numbers_aside, byte_order_mark),
    *(invalid_utf8_in_a_text, white_space_around, unescaped_unicode, doubled_keys),
    *(markup_and_formulas,),
]


# --- No alert: refused, and told why --------------------------------------------------------------


def _wrong(rng: random.Random) -> Sent:
    change = rng.choice(WRONG)
    fact, more = _fact(rng), dict[str, Any]()
    body = change(fact, rng, more)
    raw = json.dumps(fact).encode() if body is None else body
    return Sent(change.__name__, raw, **{"expected": 400, **more})


def a_wrong_type(fact, rng, more):
    name = rng.choice(["summary", "description", "dedup_key", "service", "status", "severity"])
    fact[name] = rng.choice([7, True, [], {}, 1.5, ["x"]])


def wrong_labels(fact, rng, more):
    fact["labels"] = rng.choice([[], "x", 7])


def wrong_links(fact, rng, more):
    fact["links"] = rng.choice([{}, "x", [7], [{"href": 7}], [[]]])


def wrong_status(fact, rng, more):
    fact["status"] = rng.choice(["ok", "0", "firing!"])


def too_deep(fact, rng, more):
    depth = rng.choice([33, 1_000, 40_000])
    return b'{"summary": "x", "labels": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


def unfinished(fact, rng, more):
    return b'{"labels": ' + b"[" * rng.choice([10, 100_000])


def too_large(fact, rng, more):
    more["expected"] = 413
    return b'{"summary": "' + b"x" * rng.choice([262_200, MEBIBYTE]) + b'"}'


def no_object(fact, rng, more):
    return rng.choice([b"[]", b"null", b"7", b'"x"', b"[{}]", b"{}", b"", b" "])


def no_number(fact, rng, more):
    number = rng.choice([b"NaN", b"-Infinity", b"1e999", b"9" * 5_000])
    return b'{"summary": "x", "n": ' + number + b"}"


def too_many_keys(fact, rng, more):
    fact |= {f"k{n}": n for n in range(300)}


def compressed(fact, rng, more):
    more["headers"] = {"Content-Encoding": "gzip"}
    return gzip.compress(json.dumps(fact).encode())


def another_type(fact, rng, more):
    more["expected"] = 415
    more["content_type"] = rng.choice(
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "image/png"]
    )


def another_encoding(fact, rng, more):
    return json.dumps(fact).encode(rng.choice(["utf-16", "utf-32"]))


def two_documents(fact, rng, more):
    return json.dumps(fact).encode() * 2


WRONG: list[Callable[[dict[str, Any], random.Random, dict[str, Any]], bytes | None]] = [
    *(a_wrong_type, wrong_labels, wrong_links, wrong_status, too_deep, unfinished, too_large),
    *(no_object, no_number, too_many_keys, compressed, another_type, another_encoding),
    two_documents,
]


# --- Broken at random: whatever it is, it is answered ---------------------------------------------


def _broken(rng: random.Random) -> Sent:
    raw = bytearray(json.dumps(_fact(rng), ensure_ascii=rng.random() < 0.5).encode())
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(7):
            case 0:
                raw[at:] = b""
            case 1:
                raw[at:at] = rng.randbytes(rng.randrange(1, 6))
            case 2:
                raw[at : at + rng.randrange(1, 9)] = b""
            case 3:
                raw[at:at] = rng.choice(TOKENS)
            case 4:
                piece = raw[at : at + rng.randrange(1, 60)]
                raw[at:at] = piece * rng.choice([1, 2, 50])
            case 5:
                if at < len(raw):
                    raw[at] ^= 1 << rng.randrange(8)
            case _:
                raw = bytearray(rng.randbytes(rng.randrange(200))) if rng.random() < 0.2 else raw
    content_type = rng.choice([JSON, JSON, JSON, "application/json;;;=", "", "json", "*/*"])
    return Sent("broken", bytes(raw), content_type)


TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u", b"\\ud800", b"\\u0000", b"\x00"),
    *(b"null", b"true", b"-", b"1e400", b"//", b"/*", b"'", b"\xff", b"\xed\xa0\x80", b"\xf4\x90"),
    *(b'"dedup_key":', b'"summary":null,', b'"status":"resolved",', b"\xe2\x80\xa8"),
]
