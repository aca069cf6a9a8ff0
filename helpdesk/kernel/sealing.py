"""Secrets that we must be able to read again (a second factor's seed, a client secret), encrypted where they lie.

Use it for what a hash will not do for. The key comes from the signing key, which is not in the database: who reads a dump
reads none of them. Each value is bound to its purpose and its row, so that one put into another's place does not open.
AES-256-GCM with a random nonce; the key by HKDF-SHA-256 (RFC 5869).
"""

import os
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12


class SealBroken(ValueError):
    """It was sealed with another key, for another purpose or another row, or was changed since."""


def seal(key: str, purpose: str, subject_id: UUID, secret: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_derived(key, purpose)).encrypt(nonce, secret.encode(), subject_id.bytes)


def unseal(key: str, purpose: str, subject_id: UUID, sealed: bytes) -> str:
    """Raises `SealBroken`."""
    try:
        opened = AESGCM(_derived(key, purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], subject_id.bytes)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"the {purpose} of {subject_id} does not open with this HELPDESK_SECRET_KEY") from error
    return opened.decode()


@lru_cache(maxsize=16)
def _derived(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"helpdesk.seal.{purpose}".encode()).derive(key.encode())
