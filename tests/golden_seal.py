#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what tests/unit/test_seal.c expects, computed without the library: docs/formats/store.md, "Sealing".
Needs the Python package cryptography."""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DATA_KEY = b"\xd7" * 32
STORE_ID = b"\x51" * 16
OBJECT_ID = bytes(range(16))
SALT = b"\x5a" * 32
PART = b"a part of an object"


def hkdf(key, salt, info):
    return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\1", "sha256")


def associated(number):
    return STORE_ID + OBJECT_ID + struct.pack(">I", number)


name_key = hkdf(DATA_KEY, STORE_ID, b"tranship block names")
print("name key", name_key.hex())
print("name", hmac.digest(name_key, b"a block", "sha256").hex())
print("plain name", hashlib.sha256(b"a block").hexdigest())
for purpose in (b"slot", b"point", b"tags", b"lease"):
    key = hkdf(DATA_KEY, SALT, b"tranship " + purpose)
    print(purpose.decode(), "key", key.hex())
    for number in (7, 0xFFFFFFFF):
        sealed = AESGCM(key).encrypt(bytes(8) + struct.pack(">I", number), PART, associated(number))
        print(" part", number, sealed[:-16].hex(), sealed[-16:].hex())
for number in (7, 0xFFFFFFFF):
    print("plain tag", number, hashlib.sha256(associated(number) + PART).digest()[:16].hex())
