"""Signatures of messages between systems."""

from datetime import UTC, datetime

from helpdesk.kernel import signatures


def test_the_standards_own_example() -> None:
    """The vector that its libraries are tested with."""
    secret, at, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330, b'{"test": 2432232314}'
    headers = signatures.sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    now = datetime.fromtimestamp(at, UTC)
    assert signatures.verify([secret], headers, body, now) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_secret_is_one() -> None:
    assert signatures.is_secret(signatures.new_secret())
    for bad in ("", "whsec_", "whsec_AAAA", "whsec_" + "*" * 40, "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"):
        assert not signatures.is_secret(bad)
