"""What the tests of the program share: how it is called, and a way to seal what it has to open."""
import base64
import contextlib
import io
import os
import shutil
import sys
import tempfile
import unittest
from itertools import accumulate
from pathlib import Path
from unittest import mock

import atrest
from atrest import Refused, lp

TESTS = Path(__file__).resolve().parent.parent
DATA = TESTS / "vectors" / "data"
UNHEX = bytes.fromhex


def plaintext(n):
    return bytes((7 * i + 13 * (i // 256) + 1) % 256 for i in range(n))
CAT = ["--bucket", "photos", "--key", "cat.jpg"]
PASSPHRASE = "golden passphrase \u00e9"


class Memory:
    """Stored bytes that lie in no file."""

    def __init__(self, data):
        self.data, self.size = data, len(data)

    def read(self, at, n):
        return self.data[at:at + n]


class Test(unittest.TestCase):
    def refused(self, kinds, call, *args):
        with self.assertRaises(Refused) as caught:
            call(*args)
        self.assertIn(caught.exception.kind, kinds.split("|"))


class ProgramTest(Test):
    """The program as it is called."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = self.folder / "out"

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def program(self, *args, status=0):
        """What was printed; on a refusal the reason. What is noted beside it is in `notes`."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.object(sys, "argv", ["atrest.py", *map(str, args)]):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.assertEqual(atrest.main(), status, err.getvalue())
        said = err.getvalue().splitlines(keepends=True)
        self.notes = [line for line in said if line.startswith("note: ")]
        self.assertEqual(len(said) - len(self.notes), status)
        return "".join(said[len(self.notes):]) or out.getvalue()

    def assert_refused(self, kind, *args):
        self.assertRegex(self.program(*args, status=1), f"^refused: {kind}\\b")
        self.assertEqual([name for name in os.listdir(self.folder) if name == "out" or name.startswith(".")], [])


def seal(data_keys, of, name, value):
    """A sealed value."""
    for data_key in reversed(data_keys):
        salt = os.urandom(24)
        keys = atrest.expand(data_key, atrest.D + b"value\0" + of + lp(name.encode()) + salt, 44)
        value = b"\1" + salt + atrest.AESGCM(keys[:32]).encrypt(keys[32:], value, None)
    return value


def seal_message(data_key, context, plaintext):
    salt = os.urandom(24)
    key, base_nonce, commitment = atrest.message_keys(data_key, context, salt)
    chunks = range(len(plaintext) // atrest.CHUNK + 1)
    nonces = [(int.from_bytes(base_nonce, "big") ^ i).to_bytes(12, "big") for i in chunks]
    cut = [plaintext[atrest.CHUNK * i:atrest.CHUNK * (i + 1)] for i in chunks]
    return salt + commitment + b"".join(atrest.AESGCM(key).encrypt(*pair, None) for pair in zip(nonces, cut))


def seal_file(kind, payload, root_key=None, passphrase=None):
    """A sealed file; under a passphrase at the least cost that is accepted."""
    cost = [] if root_key else [19_456, 2, 1]
    header = b"\x89ARSF\r\n\x1a\1" + bytes([kind, len(cost) > 0]) + b"".join(n.to_bytes(4, "big") for n in cost)
    header += os.urandom(32)
    root_key = root_key or atrest.argon2id(passphrase, header[-32:], *cost)
    keys = atrest.expand(atrest.extract(header[-32:], root_key), atrest.D + b"file\0" + header, 76)
    return header + keys[44:] + atrest.AESGCM(keys[:32]).encrypt(keys[32:44], payload, None)


def seal_keyring(root_key, key_id, version, key):
    """A keyring of one version."""
    numbers = (1).to_bytes(8, "big") + version.to_bytes(4, "big") + (version + 1).to_bytes(4, "big") + b"\0\1"
    return seal_file(1, lp(key_id.encode()) + numbers + version.to_bytes(4, "big") + b"\1" + bytes(8) + key, root_key)


def seal_envelope(mode, state, flags, fields, kek, data_key, name):
    fields = b"".join(kind.to_bytes(2, "big") + lp(value) for kind, value in sorted(fields.items()))
    salt = os.urandom(32)
    prk = atrest.extract(salt, kek)
    begins = b"\x89ARST\r\n\x1a\1" + bytes([mode, state, 1, 0, flags | (name is not None)])
    header = begins + len(fields).to_bytes(2, "big") + salt + atrest.verifier(prk, mode) + fields
    keys = atrest.expand(prk, atrest.D + b"wrap\0" + header + atrest.ctx(name), 44)
    return header + atrest.AESGCM(keys[:32]).encrypt(keys[32:], data_key, None)


def seal_multipart(data_key, kek, key_id, name, parts):
    """In SSE-S3 under version 1: the envelope, the manifest and what is stored of each part."""
    u32 = [number.to_bytes(4, "big") for number in range(len(parts) + 1)]
    stored = [seal_message(data_key, atrest.D + b"part\0" + u32[at], part) for at, part in enumerate(parts, 1)]
    ends = [end.to_bytes(8, "big") for end in accumulate(map(len, parts))]
    records = b"".join(number + end + part[:24] for number, end, part in zip(u32[1:], ends, stored))
    manifest = seal_message(data_key, atrest.D + b"manifest\0", records)
    fields = {1: key_id.encode(), 2: (1).to_bytes(4, "big"), 6: u32[-1] + ends[-1] + manifest[:56]}
    return seal_envelope(1, 3, 0, fields, kek, data_key, name), manifest, stored


KMS_KEYS = {number: f"00000000-0000-4000-8000-{number:012}" for number in (1, 2, 3)}
KMS_NAME = (b"", b"photos", b"cat.jpg", b"", b"")


def kms_key_id(number):
    return f"arn:aws:kms:local:000000000000:key/{KMS_KEYS[number]}"


def key_store():
    """The payload of a key store with a keyring and a key in every state, which has all its members."""
    def versions(*numbers, **more):
        return [{"number": number, "created": 1_795_280_404_123, **more,
                 "key": base64.b64encode(os.urandom(32)).decode()} for number in numbers]

    def key(number, state, **more):
        return {"id": KMS_KEYS[number], "created": 1_795_280_404_123, "description": "",
                "tags": {"team": "photos \u00e9"}, "state": state, **more,
                "versions": versions(1, 2, origin="generated")}

    return {
        "version": 1, "id": "6b3c0000-0000-4000-8000-000000000000", "generation": 17, "written": 1_795_280_404_123,
        "owner": "service", "region": "local", "account": "000000000000",
        "keyring": {"key_id": "atrest-7", "generation": 3, "primary": 2, "next_version": 3,
                    "versions": versions(1, state="disabled") + versions(2, state="enabled")},
        "keys": [key(1, "enabled", rotation_days=365, quota={"per_second": 100, "burst": 200},
                     policy={"generate": ["alice"], "unwrap": "everyone", "administer": []}),
                 key(2, "disabled"), key(3, "pending-deletion", deletion=1_795_280_404_123)],
        "aliases": {"alias/app": KMS_KEYS[1], "alias/aws/s3": KMS_KEYS[2]}}


def key_of(holder, version):
    return base64.b64decode(next(of["key"] for of in holder["versions"] if of["number"] == version))


def wrap_kek(store, number, version, name, pairs, kek):
    """As the embedded KMS wraps it under a key of the store."""
    bound = {"aws:s3:arn": f"arn:aws:s3:::{name[1].decode()}/{name[2].decode()}"} if name else {}
    pairs = sorted((text.encode(), value.encode()) for text, value in {**pairs, **bound}.items())
    salt, begins = os.urandom(32), version.to_bytes(4, "big")
    info = atrest.D + b"kms\0" + begins + lp(kms_key_id(number).encode()) + len(pairs).to_bytes(2, "big")
    info += b"".join(lp(text) + lp(value) for text, value in pairs)
    keys = atrest.expand(atrest.extract(salt, key_of(store["keys"][number - 1], version)), info, 44)
    return b"\1" + begins + salt + atrest.AESGCM(keys[:32]).encrypt(keys[32:], kek, None)


def seal_under(store, mode, number, plaintext, name=KMS_NAME, version=2):
    """An object under the keyring of the store and one of its KMS keys: envelope and body."""
    fields, body, inner = {}, plaintext, mode == "dsse-kms"
    if mode != "sse-s3":
        data_key, kek = os.urandom(32), os.urandom(32)
        body = seal_message(data_key, atrest.D + b"object\0", body)
        wrapped = wrap_kek(store, number, version, name, {"team": "photos"}, kek)
        context = (1).to_bytes(2, "big") + lp(b"team") + lp(b"photos")
        fields = {1: kms_key_id(number).encode(), 3: wrapped, 4: context, 5: body[:56]}
        envelope = seal_envelope(2, 1, atrest.INNER if inner else 0, fields, kek, data_key, name)
        fields = {7: envelope}
    if mode != "sse-kms":
        data_key, keyring = os.urandom(32), store["keyring"]
        body = seal_message(data_key, atrest.D + b"object\0", body)
        fields.update({1: keyring["key_id"].encode(), 2: version.to_bytes(4, "big"), 5: body[:56]})
        kek = key_of(keyring, version)
        envelope = seal_envelope(3 if inner else 1, 1, 0, fields, kek, data_key, name)
    return envelope, body
