#!/usr/bin/env python3
"""Opens what the library `atrest` has stored, without the library: a second implementation of the manual's page
"format", in its order. The page "recovery" shows how it is used. It writes nothing but what it opened. It takes
Python 3.9 and the package `cryptography` (44 or newer where keys are sealed under a passphrase).

In the place of arguments, @FILE stands for those in FILE, one a line. What itself begins with @ is written --key=@home.
"""
import argparse
import base64
import binascii
import hmac
import json
import os
import re
import signal
import sys
import tempfile
from bisect import bisect_right
from itertools import accumulate
from stat import S_ISREG

try:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    sys.exit("atrest.py needs the Python package `cryptography`: python3 -m pip install 'cryptography>=44'")

MODES = {1: "sse-s3", 2: "sse-kms", 3: "dsse-kms", 4: "sse-c"}
STATES = {1: "object", 2: "upload under way", 3: "multipart object"}
BOUND, BUCKET_KEY, INNER = 1, 2, 4
STATES_OF_VERSION = {0: "staged", 1: "enabled", 2: "disabled"}
ANY = object()  # every KMS key is accepted


class Refused(Exception):
    """What the format refuses, by the name that the format gives it."""

    def __init__(self, kind, why):
        super().__init__(f"{kind}: {why}")
        self.kind = kind


def need(holds, kind, why):
    if not holds:
        raise Refused(kind, why)


# Notation

D = b"atrest/v1/"
same = hmac.compare_digest


def lp(x):
    return len(x).to_bytes(2, "big") + x


def extract(salt, ikm):
    return hmac.digest(salt, ikm, "sha512")


def expand(prk, info, n):
    out = block = b""
    for counter in range(1, -(-n // 64) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha512")
        out += block
    return out[:n]


def gcm_open(key_and_nonce, sealed):
    try:
        return AESGCM(key_and_nonce[:32]).decrypt(key_and_nonce[32:], sealed, None)
    except InvalidTag:
        raise Refused("Inauthentic", "the stored bytes, the key or the name are not those it was sealed with") from None


def utf8(value, kind, what):
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused(kind, f"{what} is not UTF-8") from None


class Cursor:
    """Takes bytes from the front; where they end too early, that is of the given kind."""

    def __init__(self, data, kind):
        self.data, self.kind, self.at = data, kind, 0

    def take(self, n):
        need(len(self.data) - self.at >= n, self.kind, "it ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def lp(self):
        return self.take(self.number(2))

    def is_at_end(self):
        return self.at == len(self.data)


# Keys: names, unwrapping

def check_name(name):
    """A name is (realm, bucket, key, version id, upload id), all bytes; None is unbound."""
    if name is not None:
        need(name[1] and name[2], "Misuse", "bucket and key are not empty")
        need(all(len(part) <= 65_535 for part in name), "Misuse", "a component of a name is at most 65,535 bytes")
    return name


def ctx(name):
    return b"".join(lp(part) for part in name or [b""] * 5)


def arn(name, bucket_key):
    bucket, key = (utf8(part, "Misuse", "with KMS keys: the name") for part in name[1:3])
    of_object = f"arn:aws:s3:::{bucket}/{key}"
    need("/" not in bucket, "Misuse", "with KMS keys, a bucket holds no '/'")
    need(len(of_object.encode()) <= 65_535, "Misuse", "the ARN is at most 65,535 bytes")
    return f"arn:aws:s3:::{bucket}" if bucket_key else of_object


def shown_pairs(layer, name):
    """What a KMS is shown."""
    return {**layer.pairs, "aws:s3:arn": arn(name, layer.bucket_key)} if name else layer.pairs


def verifier(prk, mode):
    return expand(prk, D + b"verifier\0" + bytes([1, mode, 1]), 32)


def unwrap(layer, kek, name):
    prk = extract(layer.wrap_salt, kek)
    kind = "CustomerKeyMismatch" if layer.mode == 4 else "Inauthentic"
    need(same(verifier(prk, layer.mode), layer.verifier), kind, "the key is not the one that was used")
    return gcm_open(expand(prk, D + b"wrap\0" + layer.header + ctx(name), 44), layer.wrapped_key)


class Keys:
    """What a reader brings, and with it what the reader accepts: a mode whose keys are not named is refused."""

    def __init__(self, keyring=None, kek=None, customer_key=None, kms_keys=None, modes=None, embedded=()):
        self.keyring, self.kek, self.customer_key = keyring, kek, customer_key
        self.kms_keys, self.modes, self.embedded = kms_keys, modes, dict(embedded)

    def accept(self, env, name, upload=False):
        """Step 4: before any key is used."""
        fits = env.bound == (name is not None)
        need(fits, "Unexpected", f"the envelope is {'' if env.bound else 'not '}bound to a name")
        need(self.modes is None or MODES[env.mode] in self.modes, "Unexpected", f"{MODES[env.mode]} is not accepted")
        for layer in env.layers:
            if layer.mode in (1, 3):
                fits = self.keyring is not None and layer.key_id == self.keyring["key_id"]
                need(fits, "Unexpected", f"{MODES[env.mode]} takes a keyring of key id {layer.key_id!r}")
            if layer.mode == 2:
                fits = self.kms_keys is ANY or layer.key_id in (self.kms_keys or ())
                need(fits, "Unexpected", f"{MODES[env.mode]} takes KMS key {layer.key_id!r}, which is not accepted")
        need(env.mode != 4 or self.customer_key, "CustomerKeyRequired", "the object is SSE-C")
        need(not upload or env.state == 2, "Unexpected", "this is no upload under way")
        need(upload or env.state != 2, "UploadNotComplete", "the upload is not complete, there is no object yet")
        if name is not None and env.mode in (2, 3):
            arn(name, env.bucket_key)

    def unlock(self, env, name):
        """Step 5: the data keys, from the outer layer inward."""
        return [unwrap(layer, self.kek_of(layer, name), name) for layer in env.layers]

    def master_key(self, number):
        version = self.keyring["versions"].get(number)
        need(version, "KeyProvider", f"the keyring has no version {number}")
        need(version["state"] != "disabled", "KeyProvider", f"version {number} of the keyring is disabled")
        return version["key"]

    def kek_of(self, layer, name):
        if layer.mode == 4:
            return self.customer_key
        if layer.mode == 2:
            found = self.kek or layer.key_id in self.embedded
            need(found, "KeyProvider", "the unwrapped key-encryption key is missing: see kms-request, or --key-store")
            return self.kek or unwrap_kek(self.embedded[layer.key_id], layer, shown_pairs(layer, name))
        return self.master_key(layer.key_version)


# Messages

CHUNK = 16_384
MOST = 2**52 - 1
# The most plaintext of an object, by its number of layers: two of them make one message in another.
MOST_OF = {1: MOST, 2: CHUNK * ((MOST - 56) // 16_400) + max((MOST - 56) % 16_400 - 16, -1)}


def ciphertext_len(p):
    return 56 + p + 16 * (p // CHUNK + 1)


def plaintext_len(c):
    n, r = divmod(c - 56, 16_400)
    need(c >= 72 and r >= 16, "Truncated", "no message has this length")
    need(CHUNK * n + r - 16 <= MOST, "LimitExceeded", "no message is so long")
    return CHUNK * n + r - 16


def stored_len(p, layers):
    return p if layers == 0 else ciphertext_len(stored_len(p, layers - 1))


def message_keys(data_key, context, salt):
    okm = expand(data_key, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    return okm[:32], okm[32:44], okm[44:]


class Stored:
    """Files, one behind the other. A source: it has a size and can be read. There may be more of them than a process
    can hold open, so only the last one read stays open."""

    def __init__(self, *paths):
        self.paths, self.starts = paths, [0]
        for path in paths:
            found = os.stat(path)
            need(S_ISREG(found.st_mode), "Misuse", f"{path} is a folder or a pipe, not a file")
            self.starts.append(self.starts[-1] + found.st_size)
        self.size, self.last, self.file = self.starts[-1], None, None

    def read(self, at, n):
        out = b""
        while len(out) < n:
            i = bisect_right(self.starts, at + len(out)) - 1
            if i != self.last:
                if self.file:
                    self.file.close()
                self.last, self.file = i, open(self.paths[i], "rb")
            self.file.seek(at + len(out) - self.starts[i])
            piece = self.file.read(n - len(out))
            need(piece, "Truncated", "the stored bytes end too early")
            out += piece
        return out


class Section:
    """A piece of a source."""

    def __init__(self, source, start, size):
        self.source, self.start, self.size = source, start, size

    def read(self, at, n):
        return self.source.read(self.start + at, n)


class Message:
    """A message over a source, and itself a source, so that the inner layer of DSSE-KMS reads from the outer one."""

    def __init__(self, source, data_key, context, header):
        self.size = plaintext_len(source.size)
        self.source, self.last, self.opened = source, self.size // CHUNK, (None, b"")
        need(same(source.read(0, 56), header), "Inauthentic", "the message's header is not the one that was recorded")
        self.key, self.base_nonce, commitment = message_keys(data_key, context, header[:24])
        need(same(commitment, header[24:]), "Inauthentic", "the message is under another data key")

    def chunk(self, i):
        """The plaintext of one chunk, once it has authenticated."""
        if self.opened[0] != i:
            at = 56 + 16_400 * i
            sealed = self.source.read(at, min(16_400, self.source.size - at))
            nonce = int.from_bytes(self.base_nonce, "big") ^ i
            self.opened = i, gcm_open(self.key + nonce.to_bytes(12, "big"), sealed)
        return self.opened[1]

    def pieces(self, start, end):
        for i in range(start // CHUNK, -(-end // CHUNK)):
            yield self.chunk(i)[max(start - CHUNK * i, 0):end - CHUNK * i]

    def read(self, at, n):
        return b"".join(self.pieces(at, at + n))

    def verify_end(self):
        self.chunk(self.last)
        if isinstance(self.source, Message):
            self.source.verify_end()

    def whole(self):
        yield from self.pieces(0, self.size)
        self.verify_end()  # the last chunk may be empty, and still says that this is the end


def open_message(source, data_keys, context, headers):
    """One message, or a message in a message. The inner one has no say in whether the outer was cut."""
    source = Message(source, data_keys[0], context, headers[0])
    for data_key, header in zip(data_keys[1:], headers[1:]):
        try:
            source = Message(source, data_key, context, header)
        except Refused as refused:
            raise Refused("Inauthentic", f"the inner layer: {refused}") from None
    return source


# Envelope

def envelope_len(b, inner=False):
    """Steps 1 and 2 over the first 16 bytes: how long the whole envelope is."""
    need(len(b) >= 16 and b[:8] == b"\x89ARST\r\n\x1a", "NotAnEnvelope", "it does not begin as an envelope does")
    need(b[8] == 1, "UnsupportedVersion", f"version {b[8]}")
    need(b[9] in MODES, "UnknownMode", f"mode {b[9]}")
    need(b[10] in STATES, "UnknownState", f"state {b[10]}")
    need(b[11] == 1, "UnknownSuite", f"suite {b[11]}")
    flags = b[12] << 8 | b[13]
    need(flags <= 7, "UnknownFlag", f"flags {flags:#06x}")
    bucket_key, is_inner = bool(flags & BUCKET_KEY), bool(flags & INNER)
    good = (b[9] == 2 or not (bucket_key or is_inner)) and not (bucket_key and (is_inner or not flags & BOUND))
    need(good and is_inner == inner, "Malformed", f"flags {flags:#06x} where they cannot be")
    return 80 + (b[14] << 8 | b[15]) + 48


def key_id(value):
    text = utf8(value, "Malformed", "the key id")
    good = 1 <= len(value) <= 2_048 and not re.search("[\0-\x1f\x7f-\x9f]", text)
    need(good, "Malformed", "the key id is 1 to 2,048 bytes without control characters")
    return text


def pairs(value):
    need(len(value) <= 8_192, "Malformed", "the encryption context is over 8,192 bytes")
    rest, found = Cursor(value, "Malformed"), []
    for _ in range(rest.number(2)):
        found.append((rest.lp(), rest.lp()))
    names = [name for name, _ in found]
    good = found and rest.is_at_end() and all(names) and names == sorted(set(names)) and b"aws:s3:arn" not in names
    need(good, "Malformed", "the encryption context is not in its one encoding")
    return {utf8(name, "Malformed", "a name"): utf8(text, "Malformed", "a value") for name, text in found}


class Envelope:
    def __init__(self, b, inner=False):
        need(len(b) == envelope_len(b, inner), "Malformed", "the envelope has another length than it says")
        self.mode, self.state, flags = b[9], b[10], b[13]
        self.bound, self.bucket_key = bool(flags & BOUND), bool(flags & BUCKET_KEY)
        self.wrap_salt, self.verifier, self.header, self.wrapped_key = b[16:48], b[48:80], b[:-48], b[-48:]
        self.fields = f = self.split(Cursor(b[80:-48], "Malformed"))
        need(all(1 <= kind <= 9 for kind in f), "UnknownField", f"fields {list(f)}")
        always = {1: self.mode != 4, 2: self.mode in (1, 3), 3: self.mode == 2, 5: self.state == 1,
                  6: self.state == 3, 7: self.mode == 3}
        perhaps = {4: self.mode == 2, 8: self.state == 1, 9: not inner}
        need(all((kind in f) == there for kind, there in always.items())
             and all(kind not in f or may for kind, may in perhaps.items()), "Malformed", "a field too many or missing")

        def sized(kind, n):
            need(len(f.get(kind, bytes(n))) == n, "Malformed", f"field {kind} is {n} bytes long")
            return f.get(kind, b"")

        def number(value):
            return int.from_bytes(value, "big") if value else None

        self.key_id = key_id(f[1]) if 1 in f else None
        self.key_version = number(sized(2, 4))
        need(self.key_version != 0, "Malformed", "key versions start at 1")
        need(1 <= len(f.get(3, b"-")) <= 6_144, "Malformed", "the wrapped KEK is 1 to 6,144 bytes")
        self.pairs = pairs(f[4]) if 4 in f else {}
        self.message, counts = sized(5, 56), sized(6, 68)
        self.parts, self.total, self.manifest = number(counts[:4]), number(counts[4:12]), counts[12:]
        good = not counts or 1 <= self.parts <= 65_536 and self.total <= 2**56
        need(good, "Malformed", "the parts or their total are over a bound")
        self.inner = self.read_inner(f[7]) if 7 in f else None
        self.plaintext_len = number(sized(8, 8))
        most = MOST_OF[2 if inner or self.inner else 1]
        need((self.plaintext_len or 0) <= most, "Malformed", "the plaintext length is over its bound")
        need(not any(f.get(9, b"")), "Malformed", "padding is zeros")
        self.layers = [self] + ([self.inner] if self.inner else [])

    @staticmethod
    def split(rest):
        fields, last = {}, -1
        while not rest.is_at_end():
            kind = rest.number(2)
            need(kind > last, "Malformed", "the fields are not in ascending order")
            fields[kind], last = rest.lp(), kind
        return fields

    def read_inner(self, value):
        try:
            need(len(value) <= 60_000, "Malformed", "it is over 60,000 bytes")
            inner = Envelope(value, inner=True)
        except Refused as refused:
            raise Refused("Malformed", f"the inner envelope: {refused}") from None
        agree = [(e.state, e.bound, e.parts, e.total, e.fields.get(8)) for e in (self, inner)]
        need(agree[0] == agree[1], "Malformed", "the inner envelope contradicts the outer one")
        return inner

    def show(self):
        """What stands in it, nothing of it authenticated and nothing of it secret."""
        padding = self.fields.get(9)
        shown = {"mode": MODES[self.mode], "state": STATES[self.state], "bound": self.bound,
                 "bucket_key": self.bucket_key or None, "key_id": self.key_id, "key_version": self.key_version,
                 "context": self.pairs or None, "message_header": self.message.hex() or None, "parts": self.parts,
                 "total_len": self.total, "manifest_header": self.manifest.hex() or None,
                 "plaintext_len": self.plaintext_len, "padding_len": None if padding is None else len(padding),
                 "inner": self.inner.show() if self.inner else None}
        return {name: value for name, value in shown.items() if value is not None}


# Objects, multipart ones and those in containers included

class Object:
    """Plaintext in parts, each of them opened when it is needed; an object that is not multipart is one part."""

    def __init__(self, sizes, part, len_is_known):
        self.ends, self.part, self.len_is_known = list(accumulate(sizes)), part, len_is_known
        self.size = self.ends[-1]

    def whole(self):
        for i in range(len(self.ends)):
            yield from self.part(i).whole()

    def range(self, text):
        """`first-last`, `first-` or `-n`, as in HTTP. An end is believed only once it is authenticated."""
        found = re.fullmatch("([0-9]{0,99})-([0-9]{0,99})", text)
        need(found and text != "-", "Misuse", "a range is first-last, first- or -n")
        first, last = (int(number) if number else None for number in found.groups())
        need(first is None or last is None or first <= last, "Misuse", "the range ends before it begins")
        if not self.len_is_known and (first is None or last is None or last >= self.size):
            self.part(0).verify_end()
        start = max(self.size - last, 0) if first is None else first
        end = self.size if first is None or last is None else min(last + 1, self.size)
        need(start < end, "RangeNotSatisfiable", f"the object has {self.size} bytes")
        return self.pieces(start, end)

    def pieces(self, start, end):
        for i, (begins, ends) in enumerate(zip([0] + self.ends, self.ends)):
            if begins < end and start < ends:
                yield from self.part(i).pieces(max(start - begins, 0), min(end, ends) - begins)


def open_object(env, data_keys, body, manifest=None):
    layers = len(data_keys)
    if env.state == 1:
        need(manifest is None, "Misuse", "the object was not uploaded in parts, it has no manifest")
        message = open_message(body, data_keys, D + b"object\0", [layer.message for layer in env.layers])
        known = env.plaintext_len is not None
        need(not known or message.size == env.plaintext_len, "Inauthentic", "the body has another length than recorded")
        return Object([message.size], lambda _: message, known)
    return open_parts(data_keys, open_manifest(env, data_keys, manifest), body)


def open_parts(data_keys, parts, body):
    layers = len(data_keys)
    ends = list(accumulate(stored_len(size, layers) for _, size, _ in parts))
    kind = "Truncated" if body.size < ends[-1] else "Inauthentic"
    need(body.size == ends[-1], kind, f"the body is of {body.size} bytes, its {len(parts)} parts take {ends[-1]}")

    def part(i):
        number, size, salts = parts[i]
        stored = stored_len(size, layers)
        context = D + b"part\0" + number.to_bytes(4, "big")
        headers = [salt + message_keys(key, context, salt)[2] for key, salt in zip(data_keys, salts)]
        return open_message(Section(body, ends[i] - stored, stored), data_keys, context, headers)

    return Object([size for _, size, _ in parts], part, True)


def open_manifest(env, data_keys, manifest):
    """Number, plaintext length and salts of every part."""
    need(manifest is not None, "ManifestRequired", "the object was uploaded in parts")
    layers = len(data_keys)
    message = open_message(manifest, data_keys, D + b"manifest\0", [layer.manifest for layer in env.layers])
    need(message.size == env.parts * (12 + 24 * layers), "Inauthentic", "not as many records as parts")
    records, parts, last, end = Cursor(b"".join(message.whole()), "Inauthentic"), [], 0, 0
    while not records.is_at_end():
        number, next_end = records.number(4), records.number(8)
        need(number > last and 0 <= next_end - end <= MOST_OF[layers], "Inauthentic", "a manifest that breaks a rule")
        parts.append((number, next_end - end, [records.take(24) for _ in data_keys]))
        last, end = number, next_end
    need(end == env.total, "Inauthentic", "the parts do not add up to the total")
    return parts


def read_file(path, most=70_000):
    """A small file; one that is longer than the format allows is seen to be wrong without the rest of it."""
    with open(path, "rb") as file:
        return file.read(most)


def split_trailer(whole, fixed_len, layers):
    """Envelope and body of a trailer container, in a store whose envelopes all have `fixed_len` bytes."""
    begins = whole.size - fixed_len
    need(begins >= stored_len(0, layers), "Truncated", "no room for the envelope and the shortest body")
    env = Envelope(whole.read(begins, fixed_len))
    need(9 in env.fields, "Malformed", "an envelope without padding in a trailer container")
    return env, Section(whole, 0, begins)


def load(keys, name, upload=False, envelope=None, manifest=None, body=(), inline=None, trailer=None, store=None):
    """Envelope, data keys, manifest and body of what lies in files of these names; all checks up to step 5. A trailer
    container is of a `store`: the length of its envelopes, and the layers of its objects."""
    if trailer:
        env, body = split_trailer(Stored(trailer), *store)
        fits = env.state != 3 and len(env.layers) == store[1]
        need(fits, "Unexpected", "an object in parts or of other layers, which this trailer container does not hold")
        keys.accept(env, name, upload)
        return env, keys.unlock(env, name), None, body
    if inline:
        whole = Stored(inline)
        begins = envelope_len(whole.read(0, min(16, whole.size)))
        need(whole.size >= begins, "Malformed", "the envelope is cut")
    env = Envelope(whole.read(0, begins) if inline else read_file(envelope))
    keys.accept(env, name, upload)
    if not inline:
        return env, keys.unlock(env, name), Stored(manifest) if manifest else None, Stored(*body)
    if env.state == 3:
        layers = len(env.layers)
        manifest = Section(whole, begins, stored_len(env.parts * (12 + 24 * layers), layers))
        begins += manifest.size
        need(whole.size >= begins, "Truncated", "the manifest is cut")
    return env, keys.unlock(env, name), manifest, Section(whole, begins, whole.size - begins)


# Sealed values and receipts

def open_value(data_keys, of, name, sealed):
    name = utf8(name.encode(errors="surrogateescape"), "Misuse", "the value's name")
    good = 1 <= len(name.encode()) <= 255 and not name.startswith("atrest/")
    need(good, "Misuse", "a value's name is 1 to 255 bytes, and not one that begins with atrest/")
    return open_reserved(data_keys, of, name, sealed)


def open_reserved(data_keys, of, name, sealed):
    for data_key in data_keys:
        need(len(sealed) >= 41 and sealed[0] == 1, "Inauthentic", "this is no sealed value")
        sealed = gcm_open(expand(data_key, D + b"value\0" + of + lp(name.encode()) + sealed[1:25], 44), sealed[25:])
    need(len(sealed) <= 65_535, "Inauthentic", "the value is over 65,535 bytes")
    return sealed


def open_receipt(data_keys, sealed):
    rest = Cursor(open_reserved(data_keys, bytes(24), "atrest/receipt", sealed), "Inauthentic")
    number, size, headers, label = rest.number(4), rest.number(8), [rest.take(56) for _ in data_keys], rest.lp()
    good = number >= 1 and size <= MOST_OF[len(data_keys)] and len(label) <= 255 and rest.is_at_end()
    need(good, "Inauthentic", "a receipt that breaks a rule")
    return {"number": number, "len": size, "headers": headers, "label": label}


def salt_of(of, env, data_keys, manifest=None, receipt=None):
    """Which message a value describes: "object", "upload" (none), or the number of a part."""
    if of == "upload":
        return bytes(24)
    if of == "object":
        need(env.state != 2, "Misuse", "an upload under way has no message of its own")
        return (env.layers[-1].message or env.layers[-1].manifest)[:24]
    if receipt is not None:
        need(receipt["number"] == of, "InvalidPart", f"the receipt is of part {receipt['number']}")
        return receipt["headers"][-1][:24]
    need(env.state != 1, "Misuse", "the object was not uploaded in parts")
    need(env.state == 3, "Misuse", "a part of an upload under way is found by its receipt")
    found = [salts[-1] for number, _, salts in open_manifest(env, data_keys, manifest) if number == of]
    need(found, "InvalidPart", f"the object has no part {of}")
    return found[0]


# Completion records

class Record:
    """What stands in place of envelope and manifest of an SSE-C upload that was completed without its key. Steps 1 and 2."""

    def __init__(self, b):
        need(len(b) >= 16 and b[:8] == b"\x89ARSC\r\n\x1a", "NotAnEnvelope", "it does not begin as a record does")
        need(b[8] == 1, "UnsupportedVersion", f"version {b[8]}")
        rest = Cursor(b, "Malformed")
        rest.take(9)
        self.key_id, self.key_version, self.salt = key_id(rest.lp()), rest.number(4), rest.take(32)
        self.upload_id, self.envelope, count = rest.lp(), rest.lp(), rest.number(4)
        good = self.key_version and self.upload_id and 1 <= count <= 65_536
        need(good, "Malformed", "a version of 0, no upload id, or no possible number of parts")
        self.parts = []
        for _ in range(count):
            number, size, header, receipt, label = rest.number(4), rest.number(8), rest.take(56), rest.lp(), rest.lp()
            need(len(label) <= 255 and len(receipt) == 111 + len(label), "Malformed", "the length of a label or receipt")
            self.parts.append((number, size, header, receipt, label))
        self.tag = rest.take(32)
        need(rest.is_at_end(), "Malformed", "something follows the record")
        self.before_tag = b[:-32]

    def open(self, name, keys):
        """Steps 3 to 5: what a reader without the customer key knows; gives the upload's name."""
        need(keys.modes is None or MODES[4] in keys.modes, "Unexpected", "sse-c is not accepted")
        need(name is not None, "Unexpected", "a record is bound to a name")
        ours = keys.keyring is not None and keys.keyring["key_id"] == self.key_id
        need(ours, "Unexpected", f"the record takes a keyring of key id {self.key_id!r}")
        name = (*name[:4], self.upload_id)
        prk = extract(self.salt, keys.master_key(self.key_version))
        made = expand(prk, D + b"completion\0" + ctx(name) + self.before_tag, 32)
        need(same(made, self.tag), "Inauthentic", "the record was changed, or is of another object or keyring")
        try:
            self.upload = Envelope(self.envelope)
        except Refused as refused:
            raise Refused("Malformed", f"the envelope in the record: {refused}") from None
        good = self.upload.mode == 4 and self.upload.state == 2 and self.upload.bound
        need(good, "Malformed", "the envelope in the record is not of an SSE-C upload")
        last = self.total = 0
        for number, size, *_ in self.parts:
            self.total += size
            good = number > last and size <= MOST and self.total <= 2**56
            need(good, "Inauthentic", "part numbers or lengths that break a rule")
            last = number
        return name

    def finish(self, name, keys, body):
        """Step 6: the object, every receipt compared with what the record says."""
        name = self.open(name, keys)
        need(keys.customer_key, "CustomerKeyRequired", "the object is SSE-C")
        data_keys, parts = [unwrap(self.upload, keys.customer_key, name)], []
        for number, size, header, receipt, label in self.parts:
            said = {"number": number, "len": size, "headers": [header], "label": label}
            need(open_receipt(data_keys, receipt) == said, "Inauthentic", f"the receipt of part {number}")
            parts.append((number, size, [header[:24]]))
        return open_parts(data_keys, parts, body)

    def show(self):
        parts = [{"number": number, "len": size, "label": label.hex()} for number, size, _, _, label in self.parts]
        return {"key_id": self.key_id, "key_version": self.key_version, "upload_id": self.upload_id.hex(),
                "total_len": self.total, "parts": parts}


# Sealed files

def open_sealed_file(b, root_key=None, passphrase=None, kind=1):
    need(b[:8] == b"\x89ARSF\r\n\x1a", "NotASealedFile", "it does not begin as a sealed file does")
    need(len(b) >= 11, "Malformed", "it is too short")
    need(b[8] == 1 and b[9] == kind and b[10] <= 1, "Unsupported", "its version, kind or key derivation")
    rest = Cursor(b[11:], "Malformed")
    if b[10] == 1:
        memory, passes, lanes = cost = [rest.number(4) for _ in range(3)]
        good = 19_456 <= memory <= 4 * 1024 * 1024 and 2 <= passes <= 64 and 1 <= lanes <= 64
        need(good, "Unsupported", f"the cost of its key derivation, {cost}")
    salt = rest.take(32)
    header = b[:11 + rest.at]
    need(len(b) >= len(header) + 48, "Malformed", "it is too short")
    what, given = ("passphrase", passphrase) if b[10] else ("key", root_key)
    need(given is not None, "WrongRootKey", f"it is sealed under a {what}")
    root_key = argon2id(passphrase, salt, *cost) if b[10] else root_key
    keys = expand(extract(salt, root_key), D + b"file\0" + header, 76)
    need(same(keys[44:], rest.take(32)), "WrongRootKey", "the root key or passphrase is another one")
    return gcm_open(keys[:44], rest.data[rest.at:])


def argon2id(passphrase, salt, memory, passes, lanes):
    try:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
        return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(passphrase)
    except (ImportError, UnsupportedAlgorithm):
        why = "the package `cryptography` here has no Argon2id: it takes version 44 or newer, over OpenSSL 3.2 or newer"
        raise Refused("NotCompiled", why) from None


def open_keyring(b, root_key=None, passphrase=None):
    rest = Cursor(open_sealed_file(b, root_key, passphrase), "Malformed")
    keyring = {"key_id": key_id(rest.lp()), "generation": rest.number(8), "primary": rest.number(4),
               "next_version": rest.number(4)}
    keyring["versions"] = by_number([
        {"number": rest.number(4), "state": STATES_OF_VERSION.get(rest.number(1)), "created": rest.number(8),
         "key": rest.take(32)} for _ in range(rest.number(2))])
    need(rest.is_at_end(), "Malformed", "something follows the keyring")
    return check_keyring(keyring)


def by_number(versions):
    numbers = [version.pop("number") for version in versions]
    good = numbers and [0] + numbers == sorted({0, *numbers})
    need(good, "Malformed", "no version, or versions that are not in ascending order")
    return dict(zip(numbers, versions))


def check_keyring(keyring):
    versions = keyring["versions"]
    good = (max(versions) < keyring["next_version"] and all(version["state"] for version in versions.values())
            and versions.get(keyring["primary"], {}).get("state") == "enabled")
    need(good, "Malformed", "a keyring that breaks a rule")
    return keyring


TEXT, NUMBER, VERSION = ".*", range(2**64), range(1, 2**32)
ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY = "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="  # 32 bytes in their one encoding
REQUESTERS = ("everyone", [TEXT])
KEY_STORE = {
    "version": NUMBER, "id": ID, "generation": NUMBER, "written": NUMBER, "owner": TEXT,
    "region": "[a-z0-9-]{1,64}", "account": "[0-9]{12}",
    "keyring": {"key_id": TEXT, "generation": NUMBER, "primary": VERSION, "next_version": VERSION, "versions": [
        {"number": VERSION, "state": tuple(STATES_OF_VERSION.values()), "created": NUMBER, "key": KEY}]},
    "keys": [{
        "id": ID, "created": NUMBER, "description": TEXT, "tags": {"*": TEXT},
        "state": ("enabled", "disabled", "pending-deletion"), "deletion?": NUMBER, "rotation_days?": VERSION,
        "policy?": {"generate": REQUESTERS, "unwrap": REQUESTERS, "administer": REQUESTERS},
        "quota?": {"per_second": VERSION, "burst": VERSION},
        "versions": [{"number": VERSION, "created": NUMBER, "origin": ("generated", "imported"), "key": KEY}]}],
    "aliases": {"*": ID}}


def fits(value, shape):
    """A shape is a pattern, a range, a choice, a list of one shape, or an object: `?` ends the name of a member that
    may be left out, `*` is members of any name."""
    if isinstance(shape, tuple):
        return any(fits(value, choice) for choice in shape)
    if isinstance(shape, str):
        return isinstance(value, str) and bool(re.fullmatch(shape, value, re.DOTALL))
    if isinstance(shape, range):
        return type(value) is int and value in shape
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    if not isinstance(value, dict) or "*" in shape:
        return isinstance(value, dict) and all(fits(item, shape["*"]) for item in value.values())
    may, must = {name.rstrip("?"): of for name, of in shape.items()}, {name for name in shape if name[-1] != "?"}
    return must <= value.keys() <= may.keys() and all(fits(item, may[name]) for name, item in value.items())


def each_once(members):
    need(len(dict(members)) == len(members), "Malformed", "a member is there twice")
    return dict(members)


def open_key_store(b, root_key=None, passphrase=None):
    """Its KMS keys by the key ids that stand in envelopes."""
    try:
        payload = open_sealed_file(b, root_key, passphrase, kind=2).decode()
        store = json.loads(payload, object_pairs_hook=each_once)
        json.dumps(store, ensure_ascii=False).encode()  # JSON can name text that is not Unicode.
    except (ValueError, RecursionError):
        raise Refused("Malformed", "the payload is not JSON in UTF-8") from None
    version = store.get("version") if isinstance(store, dict) else None
    need(version == 1 or not fits(version, NUMBER), "Unsupported", f"its payload is of version {version}")
    need(fits(store, KEY_STORE), "Malformed", "a member is missing, unknown or not what it has to be")
    keyring, keys = store["keyring"], store["keys"]
    ids = [key["id"] for key in keys]
    good = (ids == sorted(set(ids)) and set(store["aliases"].values()) <= set(ids)
            and all(re.fullmatch("alias/[A-Za-z0-9/_-]{1,250}", alias) for alias in store["aliases"])
            and all((key["state"] == "pending-deletion") == ("deletion" in key) for key in keys))
    need(good, "Malformed", "a key store that breaks a rule")
    for holder in [keyring, *keys]:
        for version in holder["versions"]:
            version["key"] = base64.b64decode(version["key"])
        holder["versions"] = by_number(holder["versions"])
    key_id(keyring["key_id"].encode())
    check_keyring(keyring)
    return {**store, "keys": {f"arn:aws:kms:{store['region']}:{store['account']}:key/{key['id']}": key for key in keys}}


def unwrap_kek(key, layer, pairs):
    """What the embedded KMS has wrapped."""
    wrapped = Cursor(layer.fields[3], "Malformed")
    good = wrapped.number(1) == 1 and len(wrapped.data) == 85
    need(good, "Malformed", "the wrapped key-encryption key is not one of the embedded KMS")
    number, salt, sealed = wrapped.take(4), wrapped.take(32), wrapped.take(48)
    version = key["versions"].get(int.from_bytes(number, "big"))
    need(version, "KeyProvider", f"KMS key {layer.key_id!r} has no version {int.from_bytes(number, 'big')}")
    pairs = [lp(name.encode()) + lp(value.encode()) for name, value in sorted(pairs.items())]
    info = D + b"kms\0" + number + lp(layer.key_id.encode()) + len(pairs).to_bytes(2, "big") + b"".join(pairs)
    return gcm_open(expand(extract(salt, version["key"]), info, 44), sealed)


# The program

def read_secret(where):
    """A file, or `env:NAME`: secrets do not belong on a command line."""
    if not where.startswith("env:"):
        return read_file(where)
    need(where[4:] in os.environ, "Misuse", f"there is no {where}")
    return os.fsencode(os.environ[where[4:]])


def read_key(where):
    secret = read_secret(where)
    text = secret.strip()
    try:
        decoded = binascii.unhexlify(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    key = secret if len(secret) == 32 else decoded
    need(len(key) == 32, "Misuse", f"{where}: a key is 32 bytes, or those in hex or base64")
    return key


def read_sealed(args, path, open_with):
    need(args.root_key or args.passphrase, "Misuse", "--root-key is missing, or --passphrase in its place")
    root_key = read_key(args.root_key) if args.root_key else None
    # The line end that an editor has put there is no part of the passphrase.
    passphrase = re.sub(rb"\r?\n\Z", b"", read_secret(args.passphrase)) if args.passphrase else None
    opened = open_with(read_file(path, 1 << 30), root_key, passphrase)
    generation = opened["generation"]
    need(generation >= args.min_generation, "Unexpected", f"{path} is of generation {generation}")
    return opened


def read_keyring(args, key_store=None):
    keyring = read_sealed(args, args.keyring, open_keyring) if args.keyring else key_store["keyring"]
    need(args.key_id in (None, keyring["key_id"]), "Unexpected", f"the keyring is {keyring['key_id']!r}")
    return keyring


def read_keys(args):
    key_store = read_sealed(args, args.key_store, open_key_store) if args.key_store else None
    keyring = read_keyring(args, key_store) if args.keyring or key_store else None
    if args.master_key:
        alone = args.key_id and args.key_version and not keyring
        need(alone, "Misuse", "--master-key goes with --key-id and --key-version, without --keyring and --key-store")
        version = {"state": "enabled", "key": read_key(args.master_key)}
        keyring = {"key_id": args.key_id, "versions": {args.key_version: version}}
    kek, customer_key = (read_key(where) if where else None for where in (args.kek, args.customer_key))
    accepted = ANY if args.any_kms_key else args.kms_key
    return Keys(keyring, kek, customer_key, accepted, args.mode, key_store["keys"] if key_store else {})


def read_name(args):
    """The bytes that the shell has handed over."""
    given = [args.realm, args.bucket, args.key, args.version_id, args.upload_id]
    if args.unbound:
        need(not any(given), "Misuse", "--unbound goes without a name")
        return None
    need(given[4] or not args.upload, "Misuse", "an upload that is bound to a name has an --upload-id")
    decode = bytes.fromhex if args.names_in_hex else os.fsencode
    try:
        return check_name(tuple(decode(part or "") for part in given))
    except ValueError:
        raise Refused("Misuse", "--names-in-hex: a name is not in hex") from None


def read_stored(args):
    upload = args.upload or bool(args.upload_id)
    given = args.envelope or args.inline or args.trailer
    need(given, "Misuse", "an object is read from its --envelope, or --inline, or --trailer")
    keys, store = read_keys(args), read_store(args)
    stored = [args.envelope, args.manifest, args.body or (), args.inline, args.trailer, store]
    loaded = load(keys, read_name(args), upload, *stored)
    for layer in loaded[0].layers:
        state = keys.embedded.get(layer.key_id, {}).get("state", "enabled")
        if state != "enabled":
            print(f"note: KMS key {layer.key_id!r} is {state}, a service would refuse it", file=sys.stderr)
    return loaded


def read_store(args):
    """The length of a store's envelopes, and the layers of its objects."""
    good = not args.trailer or (args.envelope_len is not None and args.envelope_len >= 0)
    need(good, "Misuse", "--trailer goes with --envelope-len: the length of the store's envelopes")
    return args.envelope_len, 2 if args.dsse_store else 1


def write(path, pieces):
    """The file has its name once all of it is there and authentic."""
    need(not os.path.lexists(path), "Misuse", f"{path} is there already")
    handle, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            written = sum(file.write(piece) for piece in pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    return written


def show(value):
    print(json.dumps(value, indent=2))


def keyring_command(args):
    """what a sealed keyring holds, but not its keys"""
    show(without_keys(read_keyring(args)))


def key_store_command(args):
    """what a sealed key store holds, but not its keys"""
    store = read_sealed(args, args.key_store, open_key_store)
    keys = {key_id: without_keys(key) for key_id, key in store["keys"].items()}
    show({**store, "keyring": without_keys(store["keyring"]), "keys": keys})


def without_keys(holder):
    versions = [{"version": number, **{name: version[name] for name in ("state", "origin") if name in version},
                 "created_ms": version["created"]} for number, version in holder["versions"].items()]
    return {**holder, "versions": versions}


def read_envelope(args):
    if args.trailer:
        return split_trailer(Stored(args.file), *read_store(args))[0]
    b = read_file(args.file)
    return Envelope(b[:envelope_len(b)] if args.inline else b)


def envelope_command(args):
    """what stands in an envelope: nothing of it is secret, and nothing of it has been authenticated"""
    show(read_envelope(args).show())


def kms_request_command(args):
    """what to ask the KMS, so that it unwraps the key for --kek"""
    env, name = read_envelope(args), read_name(args)
    layer = env.layers[-1]
    need(env.bound == (name is not None), "Unexpected", "one of envelope and name is bound, the other is not")
    need(layer.mode == 2, "Unexpected", f"{MODES[env.mode]} asks no KMS")
    wrapped = base64.b64encode(layer.fields[3]).decode()
    show({"key_id": layer.key_id, "encryption_context": shown_pairs(layer, name), "wrapped_key": wrapped})


def open_command(args):
    """an object, or a range of it"""
    need(args.body or args.inline or args.trailer, "Misuse", "--body is missing")
    env, data_keys, manifest, body = read_stored(args)
    opened = open_object(env, data_keys, body, manifest)
    written = write(args.out, opened.range(args.range) if args.range else opened.whole())
    print(f"{written} bytes, {MODES[env.mode]}, authentic")


def record_command(args):
    """a completion record, verified; with --customer-key, --body and --out the object"""
    record, name, keys = Record(read_file(args.record, 1 << 26)), read_name(args), read_keys(args)
    if not args.out:
        record.open(name, keys)
        return show(record.show())
    need(args.body, "Misuse", "--body is missing")
    written = write(args.out, record.finish(name, keys, Stored(*args.body)).whole())
    print(f"{written} bytes, sse-c, authentic")


def receipt_command(args):
    """the receipt of a part"""
    receipt = open_receipt(read_stored(args)[1], read_file(args.sealed))
    show({**receipt, "headers": [header.hex() for header in receipt["headers"]], "label": receipt["label"].hex()})


def value_command(args):
    """a sealed value, in hex or into a file"""
    good = re.fullmatch("object|upload|[0-9]{1,99}", args.of)
    need(good, "Misuse", "--of is object, upload or the number of a part")
    env, data_keys, manifest, _ = read_stored(args)
    receipt = open_receipt(data_keys, read_file(args.receipt)) if args.receipt else None
    of = salt_of(int(args.of) if args.of.isdigit() else args.of, env, data_keys, manifest, receipt)
    value = open_value(data_keys, of, args.name, read_file(args.sealed))
    if args.out:
        write(args.out, [value])
    else:
        print(value.hex())


def arguments():
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout, fromfile_prefix_chars="@")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, *options):
        name = run.__name__[:-len("_command")].replace("_", "-")
        added = commands.add_parser(name, help=run.__doc__, description=run.__doc__, allow_abbrev=False)
        added.set_defaults(run=run, upload=False, upload_id=None, manifest=None, body=None, inline=None,
                           trailer=None, envelope_len=None, dsse_store=False)
        for flag, rest in options:
            added.add_argument(flag, **rest)

    def option(flag, text=None, **rest):
        return flag, {"help": text, **rest}

    def file(flag, text=None, **rest):
        return option(flag, text, metavar="FILE", **rest)

    def secret(flag, text):
        return option(flag, text, metavar="FILE|env:NAME")

    sealed_under = [
        secret("--root-key", "what keyring and key store are sealed under"),
        secret("--passphrase", "the same, where it is a passphrase"),
        option("--key-id", "the key id that is expected of the keyring", metavar="ID"),
        option("--min-generation", "refuse an older keyring or key store", metavar="N", type=int, default=0)]
    keys = [
        file("--keyring", "the sealed keyring, for SSE-S3 and DSSE-KMS"),
        file("--key-store", "the embedded KMS's, with KMS keys and a keyring"), *sealed_under,
        secret("--master-key", "one key of the keyring, in place of it"),
        option("--key-version", "which version of the keyring that key is", metavar="N", type=int),
        secret("--kek", "what the KMS has unwrapped, for SSE-KMS and DSSE-KMS"),
        option("--kms-key", "a KMS key that is accepted; may be repeated", metavar="ID", action="append"),
        option("--any-kms-key", "accept every KMS key", action="store_true"),
        secret("--customer-key", "for SSE-C"),
        option("--mode", "a mode that is accepted; may be repeated", choices=MODES.values(), action="append")]
    name = [
        option("--bucket"), option("--key", "the object's name in the bucket"),
        option("--realm"), option("--version-id"),
        option("--names-in-hex", "these four, and the upload id, are in hex", action="store_true"),
        option("--unbound", "the object is bound to no name", action="store_true")]
    upload = [
        option("--upload-id", "of an upload under way"),
        option("--upload", "an upload under way that is bound to no name", action="store_true")]
    store = [
        option("--envelope-len", "of a trailer container: the length of the store's envelopes", metavar="N", type=int),
        option("--dsse-store", "of a trailer container: the store holds DSSE-KMS alone", action="store_true")]
    stored = [file("--envelope"), file("--manifest", "of a multipart object"),
              file("--inline", "envelope, manifest and body in one file"),
              file("--trailer", "body and envelope in one file"), *store]
    body = file("--body", "several, in order, where the parts lie apart; many in an @FILE", nargs="+", action="extend")
    sealed = file("--sealed", "the sealed bytes", required=True)

    command(keyring_command, file("--keyring", required=True), *sealed_under)
    command(key_store_command, file("--key-store", required=True), *sealed_under)
    alone = [option("file", "the envelope"), option("--inline", "it begins this inline container", action="store_true"),
             option("--trailer", "it ends this trailer container", action="store_true"), *store]
    command(envelope_command, *alone)
    command(kms_request_command, *alone, *name)
    command(open_command, *stored, body, *name, *keys,
            option("--range", "first-last, first- or -n, counted as in HTTP"), file("--out", required=True))
    command(record_command, file("--record", "in place of envelope and manifest", required=True), body, *name, *keys,
            file("--out"))
    command(receipt_command, *stored, *name, *upload, *keys, sealed)
    command(value_command, *stored, *name, *upload, *keys, sealed, option("--name", "the value's name", required=True),
            option("--of", "what it describes: object, upload, or the number of a part", required=True),
            file("--receipt", "of that part, where the upload is under way"), file("--out"))
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no unfinished file stays
    args = arguments()
    try:
        return args.run(args) or 0
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
    except OSError as error:
        print(f"refused: Io: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
