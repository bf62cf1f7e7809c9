#!/usr/bin/env python3
"""Makes signatures.json: what every verifier of this project must say to signatures, good and bad.

Needs python-cryptography (OpenSSL). Keys are new on each run and their private halves are thrown away; the files that are checked in are the contract, this
one and src/envoy/verification/known_answers.json (what Host tries at the start of a VM). Whatever no library would sign is made here with plain numbers.
"""

import base64
import hashlib
import json
import math
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

HERE = pathlib.Path(__file__).parent
KNOWN_ANSWERS = HERE.parent.parent / "src/envoy/verification/known_answers.json"
TEXT = b"eyJhbGciOiJ0ZXN0In0.eyJzdWIiOiJhbGljZSJ9"
HASH = {256: hashes.SHA256, 384: hashes.SHA384, 512: hashes.SHA512}
PREFIX = {  # RFC 8017, section 9.2, note 1
    256: bytes.fromhex("3031300d060960864801650304020105000420"),
    384: bytes.fromhex("3041300d060960864801650304020205000430"),
    512: bytes.fromhex("3051300d060960864801650304020305000440"),
}
vectors = []
known_answers = []


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, length=None):
    return n.to_bytes(length or max(1, (n.bit_length() + 7) // 8), "big")


def spki(public):
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo).hex()


def add(name, alg, jwk, signature, valid, text=TEXT, **more):
    vectors.append({"name": name, "alg": alg, "jwk": jwk, "text": text.decode(), "signature": signature.hex(), "valid": valid, **more})


def flips(name, alg, jwk, signature):
    for place in (0, len(signature) // 2 - 1, len(signature) // 2, len(signature) - 1):
        bad = bytearray(signature)
        bad[place] ^= 1
        add(f"{name}, byte {place} changed", alg, jwk, bytes(bad), False)
    add(f"{name}, other text", alg, jwk, signature, False, text=TEXT + b"A")
    add(f"{name}, no text", alg, jwk, signature, False, text=b"")
    add(f"{name}, one byte short", alg, jwk, signature[:-1], False)
    add(f"{name}, one byte long", alg, jwk, signature + b"\0", False)
    add(f"{name}, zero byte before", alg, jwk, b"\0" + signature, False)
    add(f"{name}, zeros", alg, jwk, bytes(len(signature)), False)
    add(f"{name}, ones", alg, jwk, b"\xff" * len(signature), False)
    add(f"{name}, empty", alg, jwk, b"", False)


# RSA ------------------------------------------------------------------------------------------------------------------------------------------

def rsa_jwk(public, **more):
    numbers = public.public_numbers()
    return {"kty": "RSA", "n": b64(number(numbers.n)), "e": b64(number(numbers.e)), **more}


def pss(bits, salt=None, mgf=None):
    return padding.PSS(mgf=padding.MGF1(HASH[mgf or bits]()), salt_length=bits // 8 if salt is None else salt)


def rsa_vectors():
    keys = {
        "2048": rsa.generate_private_key(65537, 2048),
        "2049": rsa.generate_private_key(65537, 2049),
        "3072": rsa.generate_private_key(65537, 3072),
        "4096": rsa.generate_private_key(65537, 4096),
        "8192": rsa.generate_private_key(65537, 8192),
        "2048 e=3": rsa.generate_private_key(3, 2048),
    }
    for label, key in keys.items():
        jwk = rsa_jwk(key.public_key())
        for bits in (256, 384, 512):
            good = key.sign(TEXT, padding.PKCS1v15(), HASH[bits]())
            add(f"RSA {label}", f"RS{bits}", jwk, good, True, spki=spki(key.public_key()))
            good_pss = key.sign(TEXT, pss(bits), HASH[bits]())
            add(f"RSA {label}", f"PS{bits}", jwk, good_pss, True)
            if label == "2048":
                flips(f"RSA {label}", f"RS{bits}", jwk, good)
                flips(f"RSA {label}", f"PS{bits}", jwk, good_pss)
                for other in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"):
                    if other != f"RS{bits}":
                        add(f"RS{bits} taken for {other}", other, jwk, good, False)
                for salt in (0, bits // 8 - 1, bits // 8 + 1, 256 - bits // 8 - 2):
                    add(f"salt of {salt} bytes", f"PS{bits}", jwk, key.sign(TEXT, pss(bits, salt), HASH[bits]()), False)
                add("mask by another hash", f"PS{bits}", jwk, key.sign(TEXT, pss(bits, mgf=256 if bits != 256 else 384), HASH[bits]()), False)
                known_answers.append({"alg": f"RS{bits}", "jwk": jwk, "signature": b64(good)})
    key = keys["2048"]
    add("another key", "RS256", rsa_jwk(keys["2048 e=3"].public_key()), key.sign(TEXT, padding.PKCS1v15(), hashes.SHA256()), False)
    add("n and e with a leading zero byte", "RS256", dict(rsa_jwk(key.public_key()), n=b64(b"\0" + number(key.public_key().public_numbers().n)), e=b64(b"\0\x01\0\x01")),
        key.sign(TEXT, padding.PKCS1v15(), hashes.SHA256()), True)
    largest_exponent(key)
    paddings(key)
    long_forms(key)
    cube_root(keys["2048 e=3"])
    refused(key)


def largest_exponent(key):
    numbers = key.private_numbers()
    phi = (numbers.p - 1) * (numbers.q - 1)
    e = next(e for e in range((1 << 33) - 1, 1 << 32, -2) if math.gcd(e, phi) == 1)
    encoded = b"\0\1" + b"\xff" * (256 - 3 - 51) + b"\0" + PREFIX[256] + hashlib.sha256(TEXT).digest()
    signature = number(pow(int.from_bytes(encoded, "big"), pow(e, -1, phi), numbers.public_numbers.n), 256)
    add("RSA e of 33 bits", "RS256", {"kty": "RSA", "n": b64(number(numbers.public_numbers.n)), "e": b64(number(e))}, signature, True)


def raw(key, encoded):
    numbers = key.private_numbers()
    return number(pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n), 256)


def paddings(key):
    """EMSA-PKCS1-v1_5 done wrong (RFC 8017, section 9.2)."""
    jwk = rsa_jwk(key.public_key())
    digest = hashlib.sha256(TEXT).digest()
    info = PREFIX[256] + digest
    fill = lambda t, kind=1, byte=b"\xff": b"\0" + bytes([kind]) + byte * (256 - 3 - len(t)) + b"\0" + t
    no_null = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest
    long_length = bytes.fromhex("308131300d060960864801650304020105000420") + digest
    sha1_oid = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(TEXT).digest()
    cases = {
        "as it should be": (fill(info), True),
        "type 2": (fill(info, 2), False),
        "type 0": (fill(info, 0, b"\0"), False),
        "zeros for padding": (fill(info, 1, b"\0"), False),
        "first byte 1": (b"\1" + fill(info)[1:], False),
        "no separator": (b"\0\1" + b"\xff" * (256 - 2 - len(info)) + info, False),
        "short padding, rest behind": (b"\0\1" + b"\xff" * 8 + b"\0" + info + b"\xaa" * (256 - 11 - len(info)), False),
        "digest without its name": (fill(digest), False),
        "no NULL": (fill(no_null), False),
        "long form of a length": (fill(long_length), False),
        "name of SHA-512 before SHA-256": (fill(PREFIX[512] + digest), False),
        "SHA-1": (fill(sha1_oid), False),
        "one byte of padding changed": (fill(info).replace(b"\xff\xff", b"\xff\xfe", 1), False),
        "digest cut": (fill(info[:-1]), False),
    }
    for name, (encoded, valid) in cases.items():
        add(f"padding: {name}", "RS256", jwk, raw(key, encoded), valid)


def long_forms(key):
    jwk, n = rsa_jwk(key.public_key()), key.public_key().public_numbers().n
    for alg, sign in (("RS256", lambda t: key.sign(t, padding.PKCS1v15(), hashes.SHA256())), ("PS256", lambda t: key.sign(t, pss(256), hashes.SHA256()))):
        done = set()
        for counter in range(20000):
            text = TEXT + str(counter).encode()
            s = sign(text)
            value = int.from_bytes(s, "big")
            if "s + n" not in done and value + n < 1 << 2048:
                add("s + n", alg, jwk, number(value + n, 256), False, text=text)
                done.add("s + n")
            if "zero" not in done and s[0] == 0:
                add("s with a leading zero byte", alg, jwk, s, True, text=text)
                add("s without its leading zero byte", alg, jwk, s[1:], False, text=text)
                done.add("zero")
            if len(done) == 2:
                break
        for name, value in (("1", 1), ("n - 1", n - 1), ("n", n), ("n + 1", n + 1)):
            add(f"s = {name}", alg, jwk, number(value, 256), False)


def cube_root(key):
    """With e = 3, a cube whose upper part looks like a padding: what lenient parsers took (Bleichenbacher, 2006)."""
    jwk = rsa_jwk(key.public_key())
    info = PREFIX[256] + hashlib.sha256(TEXT).digest()
    front = b"\0\1" + b"\xff" * 8 + b"\0" + info
    wanted = int.from_bytes(front + b"\0" * (256 - len(front)), "big")
    low, high = 0, 1 << 700
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < wanted else (low, middle)
    assert number(low**3, 256).startswith(front)
    add("forged cube", "RS256", jwk, number(low, 256), False)


def refused(key):
    """Keys that must never become keys; `spki` is there to ask the host all the same."""
    weak = rsa.generate_private_key(65537, 1024)
    n = key.public_key().public_numbers().n
    signature = key.sign(TEXT, padding.PKCS1v15(), hashes.SHA256())
    encoded = b"\0\1" + b"\xff" * (256 - 3 - 51) + b"\0" + PREFIX[256] + hashlib.sha256(TEXT).digest()

    def der(modulus, exponent):
        def tlv(tag, value):
            length = len(value)
            head = bytes([length]) if length < 128 else bytes([0x80 | len(number(length))]) + number(length)
            return bytes([tag]) + head + value
        def integer(value):
            data = number(value)
            return tlv(2, (b"\0" if data[0] & 0x80 else b"") + data)
        inner = tlv(0x30, integer(modulus) + integer(exponent))
        return tlv(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + tlv(3, b"\0" + inner)).hex()

    add("RSA 1024", "RS256", rsa_jwk(weak.public_key()), weak.sign(TEXT, padding.PKCS1v15(), hashes.SHA256()), False, refused=True, spki=spki(weak.public_key()))
    for name, modulus, exponent, s in (
        ("e = 1", n, 1, encoded),
        ("e = 2", n, 2, signature),
        ("e = 0", n, 0, signature),
        ("e of 34 bits", n, (1 << 33) + 1, signature),
        ("e of 64 bits", n, (1 << 63) + 1, signature),
        ("n even", n - 1, 65537, signature),
        ("n of 2047 bits", n >> 1 | 1, 65537, signature),
        ("n of 8193 bits", (1 << 8192) + 1, 65537, b"\0" * 1025),
    ):
        add(f"RSA {name}", "RS256", {"kty": "RSA", "n": b64(number(modulus)), "e": b64(number(exponent))}, s, False, refused=True, spki=der(modulus, exponent))
    for name, change in (("use enc", {"use": "enc"}), ("alg RSA-OAEP", {"alg": "RSA-OAEP"}), ("key_ops encrypt", {"key_ops": ["encrypt"]}), ("private", {"d": "AQAB"})):
        add(f"RSA {name}", "RS256", rsa_jwk(key.public_key(), **change), signature, False, refused=True)
    add("RSA alg RS384, asked for RS256", "RS256", rsa_jwk(key.public_key(), alg="RS384"), signature, False)


# ECDSA ----------------------------------------------------------------------------------------------------------------------------------------

ORDER = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "P-521": int("01" + "FF" * 32 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}
CURVE = {"P-256": (ec.SECP256R1, 32, 256), "P-384": (ec.SECP384R1, 48, 384), "P-521": (ec.SECP521R1, 66, 512)}


def ec_jwk(public, crv, **more):
    numbers, length = public.public_numbers(), CURVE[crv][1]
    return {"kty": "EC", "crv": crv, "x": b64(number(numbers.x, length)), "y": b64(number(numbers.y, length)), **more}


def ec_vectors():
    for crv, (curve, length, bits) in CURVE.items():
        alg, n, key = f"ES{bits}", ORDER[crv], ec.generate_private_key(curve())
        jwk = ec_jwk(key.public_key(), crv)
        join = lambda r, s: number(r, length) + number(s, length)
        sign = lambda text, h=bits: utils.decode_dss_signature(key.sign(text, ec.ECDSA(HASH[h]())))
        r, s = sign(TEXT)
        good = join(r, s)
        add(crv, alg, jwk, good, True, spki=spki(key.public_key()))
        add(f"{crv}, n - s", alg, jwk, join(r, n - s), True)
        flips(crv, alg, jwk, good)
        known_answers.append({"alg": alg, "jwk": jwk, "signature": b64(good)})
        add(f"{crv}, DER", alg, jwk, utils.encode_dss_signature(r, s), False)
        add(f"{crv}, r and s swapped", alg, jwk, join(s, r), False)
        for name, pair in {
            "r = 0": (0, s), "s = 0": (r, 0), "r = 1": (1, s), "s = 1": (r, 1), "r = s = 1": (1, 1), "r = n": (n, s), "s = n": (r, n), "r = n, s = n": (n, n),
            "n - r": (n - r, s), "r = n - 1, s = n - 1": (n - 1, n - 1), "r = s = 0": (0, 0),
        }.items():
            add(f"{crv}, {name}", alg, jwk, join(*pair), False)
        for name, pair in {"r + n": (r + n, s), "s + n": (r, s + n)}.items():
            if max(pair).bit_length() <= 8 * length:
                add(f"{crv}, {name}", alg, jwk, join(*pair), False)
        for h in (256, 384, 512):
            if h != bits:
                add(f"{crv} with SHA-{h}", alg, jwk, join(*sign(TEXT, h)), False)
                add(f"{crv} as ES{h}", f"ES{h}", jwk, good, False)
        add(f"{crv} as RS256", "RS256", jwk, good, False)
        for counter in range(5000):
            text = TEXT + str(counter).encode()
            r2, s2 = sign(text)
            if r2.bit_length() <= 8 * (length - 1) or (crv == "P-521" and r2.bit_length() <= 512):
                add(f"{crv}, r with a leading zero byte", alg, jwk, join(r2, s2), True, text=text)
                add(f"{crv}, r without its leading zero byte", alg, jwk, number(r2, length - 1) + number(s2, length), False, text=text)
                add(f"{crv}, both as short as they are", alg, jwk, number(r2) + number(s2), False, text=text)
                break
        # A key made so that u1*G + u2*Q is the point at infinity, whatever s.
        digest = int.from_bytes(hashlib.new(f"sha{bits}", TEXT).digest(), "big")
        digest >>= max(0, bits - n.bit_length())
        infinite = ec.derive_private_key(-digest * pow(5, -1, n) % n, curve())
        add(f"{crv}, sum at infinity", alg, ec_jwk(infinite.public_key(), crv), join(5, 7), False, spki=spki(infinite.public_key()))
        add(f"{crv}, another key", alg, ec_jwk(ec.generate_private_key(curve()).public_key(), crv), good, False)
        numbers = key.public_key().public_numbers()
        bad = lambda name, x, y, size=length: add(f"{crv} key, {name}", alg, {"kty": "EC", "crv": crv, "x": b64(number(x, size)), "y": b64(number(y, size))}, good, False, refused=True)
        bad("off the curve", numbers.x, numbers.y ^ 1)
        bad("x = y = 0", 0, 0)
        bad("x and y swapped", numbers.y, numbers.x)
        bad("a byte too long", numbers.x, numbers.y, length + 1)
        add(f"{crv} key, base64url with padding", alg, dict(jwk, x=jwk["x"] + "="), good, False, refused=True)
        for other in CURVE:
            if other != crv:
                add(f"{crv} key called {other}", alg, dict(jwk, crv=other), good, False, refused=True)
        add(f"{crv} key, use enc", alg, dict(jwk, use="enc"), good, False, refused=True)


# EdDSA ----------------------------------------------------------------------------------------------------------------------------------------

def ed_vectors():
    group = 2**252 + 27742317777372353535851937790883648493
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    jwk = lambda x: {"kty": "OKP", "crv": "Ed25519", "x": b64(x)}
    good = key.sign(TEXT)
    add("Ed25519", "EdDSA", jwk(public), good, True, spki=spki(key.public_key()))
    flips("Ed25519", "EdDSA", jwk(public), good)
    s = int.from_bytes(good[32:], "little")
    for k in (1, 2, 8, 15):
        if s + k * group < 1 << 256:
            add(f"Ed25519, S + {k}L", "EdDSA", jwk(public), good[:32] + (s + k * group).to_bytes(32, "little"), False)
    add("Ed25519, S = 0", "EdDSA", jwk(public), good[:32] + bytes(32), False)
    add("Ed25519, S = L", "EdDSA", jwk(public), good[:32] + group.to_bytes(32, "little"), False)
    # R is the neutral element, and S = k*a: an equation that holds, for a signature that only the key's owner could make, in a form that RFC 8032 signers never give.
    scalar = bytearray(hashlib.sha512(key.private_bytes_raw()).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    for name, point in (("neutral R", b"\1" + bytes(31)), ("neutral R, not canonical", b"\xee" + b"\xff" * 30 + b"\x7f")):
        k = int.from_bytes(hashlib.sha512(point + public + TEXT).digest(), "little")
        forged = k * int.from_bytes(scalar, "little") % group
        add(f"Ed25519, {name}", "EdDSA", jwk(public), point + forged.to_bytes(32, "little"), False)
    add("Ed25519, another key", "EdDSA", jwk(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()), good, False)
    small = {
        "neutral": b"\1" + bytes(31),
        "order 2": b"\xec" + b"\xff" * 30 + b"\x7f",
        "order 4": bytes(32),
        "order 8": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        "order 4, sign set": bytes(31) + b"\x80",
        "y = p": b"\xed" + b"\xff" * 30 + b"\x7f",
        "y = p + 1": b"\xee" + b"\xff" * 30 + b"\x7f",
        "y = p + 3, not canonical": b"\xf0" + b"\xff" * 30 + b"\x7f",
    }
    for name, x in small.items():
        # With such a key, R = neutral and S = 0 verify for one text in eight, or for all.
        add(f"Ed25519 key, {name}", "EdDSA", jwk(x), b"\1" + bytes(63), False, refused=True)
    add("Ed25519 key of 31 bytes", "EdDSA", jwk(public[:31]), good, False, refused=True)
    add("Ed25519 key of 33 bytes", "EdDSA", jwk(public + b"\0"), good, False, refused=True)
    add("Ed25519 key called X25519", "EdDSA", dict(jwk(public), crv="X25519"), good, False, refused=True)
    add("Ed25519 key called Ed448", "EdDSA", dict(jwk(public), crv="Ed448"), good, False, refused=True)
    add("a secret", "HS256", {"kty": "oct", "k": b64(b"x" * 32)}, b"\0" * 32, False, refused=True)


rsa_vectors()
ec_vectors()
ed_vectors()
names = [(v["name"], v["alg"]) for v in vectors]
assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1]
(HERE / "signatures.json").write_text("[\n" + ",\n".join(json.dumps(v) for v in vectors) + "\n]\n")
keys = {k["jwk"].get("crv", "RSA"): k["jwk"] for k in known_answers}
known = {"text": TEXT.decode(), "keys": keys, "signatures": {k["alg"]: k["signature"] for k in known_answers}}
KNOWN_ANSWERS.write_text(json.dumps(known, separators=(",", ":")) + "\n")
print(len(vectors), "vectors,", sum(v["valid"] for v in vectors), "good")
