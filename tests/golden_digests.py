#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Digests and checks as docs/formats/fingerprint.md defines them, for tests/unit/test_digest.c.

Written from the specification of XXH3 (xxhash 0.8, inputs of more than 240 bytes) and Python's own
SHA-256, and not from the library: prints the values that the test expects."""
import hashlib
import struct

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u64(raw, off):
    return struct.unpack_from("<Q", raw, off)[0]


def accumulate(acc, stripe, secret):
    for i in range(8):
        value = u64(stripe, 8 * i)
        key = value ^ u64(secret, 8 * i)
        acc[i ^ 1] = (acc[i ^ 1] + value) & M64
        acc[i] = (acc[i] + (key & M32) * (key >> 32)) & M64


def hash_long(data, secret):
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    stripes = (len(secret) - 64) // 8
    at = 0
    for n in range((len(data) - 1) // 64):
        if n > 0 and n % stripes == 0:
            scramble(acc, secret[-64:])
        accumulate(acc, data[at:at + 64], secret[n % stripes * 8:])
        at += 64
    if (len(data) - 1) // 64 % stripes == 0:
        scramble(acc, secret[-64:])
    accumulate(acc, data[-64:], secret[len(secret) - 64 - 7:])
    return acc


def scramble(acc, secret):
    for i in range(8):
        v = acc[i] ^ acc[i] >> 47 ^ u64(secret, 8 * i)
        acc[i] = v * P32_1 & M64


def merge(acc, secret, start):
    result = start
    for i in range(4):
        product = (acc[2 * i] ^ u64(secret, 16 * i)) * (acc[2 * i + 1] ^ u64(secret, 16 * i + 8))
        result += (product & M64) ^ product >> 64
    result &= M64
    result ^= result >> 37
    result = result * 0x165667919E3779F9 & M64
    return result ^ result >> 32


def xxh3_64(data, seed):
    secret = b"".join(struct.pack("<QQ", (u64(SECRET, i) + seed) & M64, (u64(SECRET, i + 8) - seed) & M64)
                      for i in range(0, 192, 16))
    return merge(hash_long(data, secret), secret[11:], len(data) * P64_1 & M64)


def xxh3_128(data, secret):
    acc = hash_long(data, secret)
    low = merge(acc, secret[11:], len(data) * P64_1 & M64)
    high = merge(acc, secret[len(secret) - 64 - 11:], ~(len(data) * P64_2) & M64)
    return struct.pack(">QQ", high, low)


def secret_of(seed):
    return b"".join(hashlib.sha256(seed + bytes([i])).digest() for i in range(6))


def block(size):
    """Byte i is the high byte of i * 2654435761 mod 2^32."""
    return bytes((i * 2654435761 & M32) >> 24 for i in range(size))


def main():
    seed = bytes(range(32))
    for size in (4096, 65536, 1 << 20):
        data = block(size)
        print("xxh3", size, xxh3_128(data, secret_of(seed)).hex())
        print("xxh3, zero seed", size, xxh3_128(data, secret_of(bytes(32))).hex())
        print("sha256", size, hashlib.sha256(data).hexdigest())
    print("lineage", hashlib.sha256(seed).hexdigest()[:16])
    print("check64 of 4096", hex(xxh3_64(block(4096), 0)), hex(xxh3_64(block(4096), 0x1122334455667788)))


if __name__ == "__main__":
    main()
