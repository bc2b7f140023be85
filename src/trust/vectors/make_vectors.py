"""Writes manifest.json: what docs/manifest-format.md says, computed a second time by code that shares nothing with src/trust.

CBOR heads are written by hand, digests come from hashlib and signatures from pyca/cryptography. Run it only when the format gets another version.
"""

import hashlib
import json
import pathlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, size, fmt in ((24, 1, ">B"), (25, 2, ">H"), (26, 4, ">I"), (27, 8, ">Q")):
        if n < 1 << (8 * size):
            return bytes([major << 5 | info]) + struct.pack(fmt, n)
    raise ValueError(n)


def uint(n):
    return head(0, n)


def nint(n):
    return head(1, -1 - n)


def bstr(b):
    return head(2, len(b)) + b


def tstr(s):
    return head(3, len(s.encode())) + s.encode()


def array(*items):
    return head(4, len(items)) + b"".join(items)


def mapping(*pairs):
    ordered = sorted(pairs)
    return head(5, len(ordered)) + b"".join(k + v for k, v in ordered)


def sha(b):
    return hashlib.sha256(b).digest()


# RFC 8032 section 7.1, TEST 1 and TEST 2.
root = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign1(key, aad, payload, unprotected=()):
    protected = mapping((uint(1), nint(-8)), (uint(4), bstr(sha(public(key))[:8])))
    signed = array(tstr("Signature1"), bstr(protected), bstr(aad.encode()), bstr(payload))
    envelope = b"\xd2" + array(bstr(protected), mapping(*unprotected), bstr(payload), bstr(key.sign(signed)))
    return envelope, sha(signed)


def leaf(group, obj, properties, payload):
    return sha(
        b"\x00countersign/leaf/1" + struct.pack(">QQI", group, obj, len(properties)) + properties + sha(payload)
    )


stream_id = bytes(range(16))
namespace = array(bstr(b"example.com"), bstr(b"live"))
catalog_digest = sha(b"catalog")
issued = 1_800_000_000_000
payloads = [b"payload of 7.0", b"payload of 7.1", b"payload of 7.2"]
leaves = [leaf(7, i, b"", p) for i, p in enumerate(payloads)]
merkle = sha(b"\x01" + sha(b"\x01" + leaves[0] + leaves[1]) + leaves[2])


def manifest(sequence, previous, entries, completion, at):
    pairs = [
        (uint(1), uint(1)),
        (uint(2), bstr(stream_id)),
        (uint(3), namespace),
        (uint(4), bstr(b"video")),
        (uint(5), uint(sequence)),
        (uint(7), uint(7)),
        (uint(8), array(*(array(uint(i), uint(len(payloads[i])), bstr(leaves[i])) for i in entries))),
        (uint(10), uint(at)),
        (uint(11), uint(5000)),
        (uint(12), bstr(catalog_digest)),
    ]
    if previous is not None:
        pairs.append((uint(6), bstr(previous)))
    if completion:
        pairs.append((uint(9), array(uint(len(payloads)), bstr(merkle))))
    return mapping(*pairs)


delegation_payload = mapping(
    (uint(1), uint(1)),
    (uint(2), bstr(public(signer))),
    (uint(3), array(bstr(b"example.com"))),
    (uint(4), uint(issued - 1000)),
    (uint(5), uint(issued + 3_600_000)),
    (uint(6), uint(1)),
)
delegation, _ = sign1(root, "countersign/delegation/1", delegation_payload)
carried = [(nint(-70001), array(bstr(delegation)))]
first, first_statement = sign1(signer, "countersign/manifest/1", manifest(0, None, [0, 1], False, issued), carried)
second, second_statement = sign1(signer, "countersign/manifest/1", manifest(1, first_statement, [2], True, issued + 200), carried)

big_group = 2**64 - 1
properties = bytes.fromhex("0205")
vectors = {
    "origin": "make_vectors.py beside this file; keys of RFC 8032 section 7.1 TEST 1 (root) and TEST 2 (signer)",
    "rootPublicKey": public(root).hex(),
    "signerPublicKey": public(signer).hex(),
    "signerKid": sha(public(signer))[:8].hex(),
    "catalogDigest": catalog_digest.hex(),
    "leaves": [
        {"group": "7", "object": "0", "properties": "", "payload": payloads[0].hex(), "leaf": leaves[0].hex()},
        {
            "group": str(big_group),
            "object": str(2**53 + 1),
            "properties": properties.hex(),
            "payload": b"far away".hex(),
            "leaf": leaf(big_group, 2**53 + 1, properties, b"far away").hex(),
        },
        {
            "group": str(2**40 + 5),
            "object": "258",
            "properties": "",
            "payload": (b"long" * 500).hex(),
            "leaf": leaf(2**40 + 5, 258, b"", b"long" * 500).hex(),
        },
    ],
    "payloads": [p.hex() for p in payloads],
    "root": merkle.hex(),
    "delegation": delegation.hex(),
    "manifests": [
        {"envelope": first.hex(), "statement": first_statement.hex()},
        {"envelope": second.hex(), "statement": second_statement.hex()},
    ],
}
path = pathlib.Path(__file__).with_name("manifest.json")
path.write_text(json.dumps(vectors, indent=2) + "\n")
