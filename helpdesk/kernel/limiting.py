"""Limits as a request meets them: who is counted, when, and what the answer says of it.

Who is known is counted by the credential, everybody else by the address: of IPv6 the network of 64 bits, which is what
one household has. The address is the connection's, or, where `HELPDESK_TRUSTED_PROXIES` says that so many proxies stand
before us, what the outermost of them wrote down; anything further left in `X-Forwarded-For` anybody may have made up.

A request is counted once, before anything is done for it. One that asks whether something has changed (`If-None-Match`)
is counted when it has: a 304 is free.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from flask import Flask, Response, current_app, g, request

from helpdesk.kernel import problems
from helpdesk.kernel.limits import Counter, Limit, QuotaExceeded, Standing, Window, exceeded, rates
from helpdesk.kernel.settings import Settings

CREDENTIAL: Final = "credential"
PUBLIC: Final = "public"
INTAKE: Final = "intake"
TRACKING: Final = "tracking"
VOUCHER: Final = "voucher"
CALLBACK: Final = "callback"
_NAMES: Final = (CREDENTIAL, PUBLIC, INTAKE, TRACKING, VOUCHER, CALLBACK)
_TIGHT: Final = frozenset({INTAKE, TRACKING, VOUCHER})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of this installation, by name; with `HELPDESK_LIMITS=0` there are none."""

    counter: Counter
    proxies: int
    on: bool
    by_name: dict[str, Limit] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        given = {name: getattr(settings, f"limit_{name}") for name in _NAMES}
        by_name = {name: Limit(name, rates(text), name in _TIGHT) for name, text in given.items()}
        counter = Counter(settings.redis_url if settings.limits else None)
        return cls(counter, settings.trusted_proxies, settings.limits, by_name)

    def health(self) -> dict[str, str]:
        if not self.on:
            return {"status": "off"}
        self.counter.look()
        return {"status": "down" if self.counter.away else "ok", "limits": self.counter.counted_in}


def limits() -> Limits:
    found: Limits = current_app.extensions["helpdesk_limits"]
    return found


def count_credential(who: str) -> None:
    """Count this request for whoever proved to be `who`. Raises `QuotaExceeded`."""
    # As `authentication` reads it: however a token is written, it is one.
    credential = request.headers.get("Authorization", "").partition(" ")[2].strip()
    _meet(_windows((CREDENTIAL,), credential or who))


def count_address(*names: str) -> None:
    """Count this request for the address that it comes from. Raises `QuotaExceeded`."""
    if limits().on:
        _meet(_windows(names, client_address()))


def count_extra(limit: Limit, key: str) -> None:
    """Count this request once more: for a form, for a reference. Raises `QuotaExceeded`."""
    held = limits()
    if held.on:
        _stand(held.counter.take, list(limit.windows(key)))


def count_all(name: str, *keys: str) -> None:
    """Count a failure under each of these keys. Raises `QuotaExceeded` when one of them has had its share."""
    held = limits()
    if held.on:
        _stand(held.counter.take, [window for key in keys for window in held.by_name[name].windows(key)])


def refuse_spent(name: str, *keys: str) -> None:
    """Before something is looked at whose failures `count_all` counts: raises `QuotaExceeded` while one of these keys has
    to wait, whichever process counted it, and says nothing of how they stand else.
    """
    held = limits()
    if held.on:
        try:
            held.counter.look_at([window for key in keys for window in held.by_name[name].windows(key)])
        except QuotaExceeded as error:
            raise _told(error) from None


def has_room(limit: Limit, key: str) -> bool:
    """Count once more, and say whether there was room: for what is left out, and not refused, when there is none."""
    held = limits()
    if held.on:
        try:
            held.counter.take(list(limit.windows(key)))
        except QuotaExceeded:
            return False
    return True


def named(name: str) -> Limit:
    """One of the limits that are settings."""
    return limits().by_name[name]


def _windows(names: Sequence[str], key: str) -> list[Window]:
    held = limits()
    return [window for name in names for window in held.by_name[name].windows(key)] if held.on else []


def _meet(windows: Sequence[Window]) -> None:
    if not windows or "limits_met" in g:
        return  # a request that is done again after a deadlock is one request
    g.limits_met = True
    counter = limits().counter
    if request.method in {"GET", "HEAD"} and "If-None-Match" in request.headers:
        known = counter.refused(windows)
        if known is not None:
            raise _told(exceeded([known]))
        g.limits_deferred = windows
    else:
        _stand(counter.take, windows)


def _stand(take: Callable[[Sequence[Window]], list[Standing]], windows: Sequence[Window]) -> None:
    try:
        g.setdefault("standings", []).extend(take(windows))
    except QuotaExceeded as error:
        raise _told(error) from None


def _told(error: QuotaExceeded) -> QuotaExceeded:
    g.setdefault("standings", []).extend(error.standings)
    return error


def register(app: Flask, held: Limits) -> None:
    app.extensions["helpdesk_limits"] = held

    @app.after_request
    def say(response: Response) -> Response:
        deferred = g.pop("limits_deferred", None)
        if deferred is not None and response.status_code != 304:
            try:
                _stand(held.counter.take, deferred)
            except QuotaExceeded as error:
                response = problems.respond(error)
        _describe(response, g.get("standings", ()))
        return response


def _describe(response: Response, standings: Sequence[Standing]) -> None:
    if standings:
        by_name = _tightest(standings)
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{it.name}";q={it.rate.amount};w={it.rate.seconds}' for it in by_name
        )
        response.headers["RateLimit"] = ", ".join(f'"{it.name}";r={it.left};t={it.reset}' for it in by_name)


def _tightest(standings: Sequence[Standing]) -> list[Standing]:
    """One of each name. A request can be counted twice under one, for its address and for the reference that it tries: the
    caller has what is left of both.
    """
    found: dict[str, Standing] = {}
    for standing in standings:
        known = found.get(standing.name)
        if known is None or (standing.left, -standing.reset) < (known.left, -known.reset):
            found[standing.name] = standing
    return list(found.values())


def client_address() -> str:
    """Whom this request is counted for: an IPv4 address, or an IPv6 network."""
    proxies = limits().proxies
    address = request.remote_addr or ""
    if proxies:
        passed = [item for line in request.headers.getlist("X-Forwarded-For") for item in line.split(",")]
        # Fewer than there are proxies: it came past them, and what it says is its own word.
        address = _without_port(passed[-proxies].strip()) if len(passed) >= proxies else address
    return _network(address) or _network(request.remote_addr or "") or "unknown"


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _network(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
