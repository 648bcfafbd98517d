"""The program `atrest.py` against values computed by other implementations, and against files of the library.

python3 -m unittest discover tests/reference
"""
import base64
import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import atrest
import check_cases
from atrest import ANY, Envelope, Keys, Record, lp
from kit import (CAT, DATA, KMS_NAME, PASSPHRASE, TESTS, UNHEX, Memory, ProgramTest, Test, key_store,
                 plaintext, seal, seal_file, seal_keyring, seal_message, seal_multipart, seal_under)


def load(name):
    return json.loads((DATA / name).read_bytes())


def name_of(value):
    return None if value is None else tuple(map(UNHEX, value))


def keys_of(env, keks):
    """These keys, whatever the key ids in the envelope are."""
    keyring = kek = customer_key = None
    for layer, key in zip(env.layers, map(UNHEX, keks)):
        if layer.mode == 2:
            kek = key
        elif layer.mode == 4:
            customer_key = key
        else:
            keyring = {"key_id": layer.key_id, "versions": {layer.key_version: {"state": "enabled", "key": key}}}
    return Keys(keyring, kek, customer_key, ANY)


def unlock(case, upload=False):
    env, name = Envelope(UNHEX(case["envelope"])), name_of(case["name"])
    keys = keys_of(env, case["keks"])
    keys.accept(env, name, upload)
    return env, keys.unlock(env, name)


def opened(case):
    env, data_keys = unlock(case)
    manifest = Memory(UNHEX(case["manifest"])) if "manifest" in case else None
    return atrest.open_object(env, data_keys, Memory(base64.b64decode(case["body"])), manifest)


def whole(case):
    return b"".join(opened(case).whole())


class TheVectors(Test):
    def test_every_accepted_object_opens(self):
        cases = load("accept.json")["cases"]
        self.assertEqual(len(cases), 65)
        self.assertEqual(sum("manifest" in case for case in cases), 8)
        for case in cases:
            with self.subTest(case["case"]):
                self.assertEqual([key.hex() for key in unlock(case)[1]], case["data_keys"])
                self.assertEqual(whole(case), plaintext(case["plaintext_len"]))

    def test_every_rejected_object_is_refused_with_its_class(self):
        cases = load("reject.json")["cases"]
        self.assertEqual(len(cases), 180)
        for case in cases:
            with self.subTest(case["case"]):
                self.refused(case["expect"], whole, case)

    def test_every_range_is_the_slice_and_its_end_is_verified(self):
        for case in load("accept.json")["cases"]:
            expected, reader = plaintext(case["plaintext_len"]), opened(case)
            n = len(expected)
            ranges = [(0, 0), (0, n), (n // 3, 2 * n // 3), (16_383, 16_384), (n - 1, n - 1), (39_999, 40_001)]
            for first, last in ranges:
                if 0 <= first <= last:
                    with self.subTest(case["case"], first=first, last=last):
                        if first < n:
                            self.assertEqual(b"".join(reader.range(f"{first}-{last}")), expected[first:last + 1])
                            self.assertEqual(b"".join(reader.range(f"{first}-")), expected[first:])
                            self.assertEqual(b"".join(reader.range(f"-{last + 1}")), expected[-(last + 1):])
                        else:
                            self.refused("RangeNotSatisfiable", reader.range, f"{first}-{last}")
        case = next(case for case in load("accept.json")["cases"] if case["case"] == "sse-s3 50000 bytes")
        body = bytearray(base64.b64decode(case["body"]))
        body[-1] ^= 1
        damaged = opened({**case, "body": base64.b64encode(body)})
        self.assertEqual(b"".join(damaged.range("0-99")), plaintext(100))
        for believing_the_end in ["-1", "0-50000", "60000-60001", "20000-"]:
            self.refused("Inauthentic", damaged.range, believing_the_end)
        for no_range in ["", "-", "2-1", "a-b", "1", "1-2-3", "\u0661-", "-\u00b2", "9" * 5_000 + "-"]:
            self.refused("Misuse", damaged.range, no_range)

    def test_every_receipt_opens_to_what_its_part_stored(self):
        found = 0
        for case in load("accept.json")["cases"]:
            body, at = base64.b64decode(case["body"]), 0
            for (number, size), sealed in zip(case.get("parts", []), case.get("receipts", [])):
                data_keys = list(map(UNHEX, case["data_keys"]))
                receipt = atrest.open_receipt(data_keys, UNHEX(sealed))
                self.assertEqual((receipt["number"], receipt["len"]), (number, size))
                self.assertEqual(receipt["label"], b"etag-%d" % number)
                self.assertEqual(receipt["headers"][0], body[at:at + 56])
                at += atrest.stored_len(size, len(data_keys))
                found += 1
        self.assertGreaterEqual(found, 16)

    def test_the_wrap_of_an_upload_goes_through_every_stated_step(self):
        case = load("derivations.json")["wrap"]
        env, data_keys = unlock({**case, "keks": [case["kek"]]}, upload=True)
        self.assertEqual(env.header.hex(), case["header"])
        self.assertEqual(env.verifier.hex(), case["verifier"])
        self.assertEqual([key.hex() for key in data_keys], [case["data_key"]])
        prk = atrest.extract(UNHEX(case["wrap_salt"]), UNHEX(case["kek"]))
        info = atrest.D + b"wrap\0" + env.header + UNHEX(case["ctx"])
        self.assertEqual(atrest.expand(prk, info, 44).hex(), case["wk_wn"])
        self.refused("UploadNotComplete", unlock, {**case, "keks": [case["kek"]]})

    def test_verifiers_and_ctx_are_as_stated(self):
        case = load("derivations.json")["verifiers_by_mode"]
        for mode in range(1, 5):
            prk = atrest.extract(UNHEX(case["wrap_salt"]), UNHEX(case["kek"]))
            self.assertEqual(atrest.verifier(prk, mode).hex(), case[str(mode)])
        cases = load("derivations.json")["ctx"]
        self.assertEqual(len(cases), 4)
        for case in cases:
            self.assertEqual(atrest.ctx(name_of(case["name"])).hex(), case["ctx"])

    def test_every_sealed_value_opens_and_every_wrong_one_is_refused(self):
        def opened(case):
            data_keys, of = list(map(UNHEX, case["data_keys"])), UNHEX(case["of"])
            return atrest.open_value(data_keys, of, case["name"], UNHEX(case["sealed"]))

        good, wrong = (load("derivations.json")[list_] for list_ in ("sealed_values", "wrong_sealed_values"))
        self.assertEqual((len(good), len(wrong)), (4, 29))
        for case in good:
            self.assertEqual(opened(case).hex(), case["value"])
            for reserved in ["", "atrest/receipt", "n" * 256]:
                self.refused("Misuse", opened, {**case, "name": reserved})
        for case in wrong:
            with self.subTest(case["case"]):
                self.refused(case["expect"], opened, case)

    def test_every_wrong_receipt_is_refused(self):
        cases = load("derivations.json")["wrong_receipts"]
        self.assertEqual(len(cases), 6)
        for case in cases:
            with self.subTest(case["case"]):
                data_keys = list(map(UNHEX, case["data_keys"]))
                self.refused(case["expect"], atrest.open_receipt, data_keys, UNHEX(case["sealed"]))

    def test_the_sealed_keyring_opens_and_every_wrong_one_is_refused(self):
        derivations = load("derivations.json")
        case = derivations["sealed_keyring"]
        keyring = atrest.open_keyring(UNHEX(case["sealed"]), UNHEX(case["root_key"]))
        versions = [{"version": number, **version, "key": version["key"].hex()}
                    for number, version in keyring["versions"].items()]
        stated = [{**version, "state": atrest.STATES_OF_VERSION[version["state"]]} for version in case["versions"]]
        self.assertEqual(versions, stated)
        for field in ("key_id", "generation", "primary", "next_version"):
            self.assertEqual(keyring[field], case[field])
        self.refused("Unsupported", atrest.open_sealed_file, UNHEX(case["sealed"]), UNHEX(case["root_key"]), None, 2)
        self.refused("WrongRootKey", atrest.open_keyring, UNHEX(case["sealed"]), None, b"a passphrase")
        self.assertEqual(len(derivations["wrong_sealed_files"]), 24)
        for case in derivations["wrong_sealed_files"]:
            with self.subTest(case["case"]):
                self.refused(case["expect"], atrest.open_keyring, UNHEX(case["sealed"]), UNHEX(case["root_key"]))

    def test_every_wrapped_kek_of_the_embedded_kms_opens_and_no_changed_one_does(self):
        cases = load("derivations.json")["kms_blobs"]
        self.assertEqual(len(cases), 2)
        for case in cases:
            def opened(blob, pairs=case["pairs"], key_id=case["key_id"], version=case["version"]):
                key = {"versions": {version: {"key": UNHEX(case["kms_key"])}}}
                return atrest.unwrap_kek(key, SimpleNamespace(key_id=key_id, fields={3: blob}), dict(pairs))

            blob = UNHEX(case["blob"])
            self.assertEqual(opened(blob).hex(), case["kek"])
            self.refused("Inauthentic", opened, blob, [*case["pairs"], ["b", ""]])
            self.refused("Inauthentic", opened, blob, case["pairs"], case["key_id"] + "0")
            self.refused("KeyProvider", opened, blob, case["pairs"], case["key_id"], case["version"] + 1)
            for at in range(len(blob)):
                kind = "Malformed" if at == 0 else "KeyProvider" if at < 5 else "Inauthentic"
                self.refused(kind, opened, blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:])
            for wrong in (b"", blob[:1], blob[:84], blob + b"\0"):
                self.refused("Malformed", opened, wrong)

    def test_every_inline_container_opens_and_no_cut_of_it_does(self):
        cases = load("derivations.json")["inline"]
        self.assertEqual(len(cases), 2)
        for case in cases:
            contained = UNHEX(case["bytes"])
            begins, manifest = case["envelope_len"], case["manifest_len"]
            keys = keys_of(Envelope(contained[:begins]), case["keks"])

            def opened(n):
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, "inline")
                    path.write_bytes(contained[:n])
                    env, data_keys, manifest, body = atrest.load(keys, None, inline=path)
                    return b"".join(atrest.open_object(env, data_keys, body, manifest).whole())

            self.assertEqual(opened(len(contained)), plaintext(case["plaintext_len"]))
            self.refused("NotAnEnvelope", opened, 15)
            self.refused("Malformed", opened, begins - 1)
            self.refused("Truncated", opened, begins + manifest)
            self.refused("Truncated", opened, begins + manifest // 2)
            self.refused("Inauthentic|Truncated", opened, len(contained) - 1)

    def trailer(self, case, length=None):
        """What a trailer container opens to, cut to a length."""
        stored = base64.b64decode(case["stored"])[:length]
        try:
            env = Envelope(stored[-case["envelope_len"]:])
        except atrest.Refused:
            env = SimpleNamespace(layers=[])
        keys = keys_of(env, case["keks"])
        keys.modes = case.get("modes")
        store = (case["envelope_len"], 2 if case["store_of_dsse"] else 1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trailer")
            path.write_bytes(stored)
            env, data_keys, manifest, body = atrest.load(keys, name_of(case["name"]), trailer=path, store=store)
            self.assertIsNone(manifest)
            return b"".join(atrest.open_object(env, data_keys, body).whole())

    def test_every_trailer_container_opens_and_no_cut_of_it_does(self):
        cases = load("trailer.json")["accept"]
        self.assertEqual(len(cases), 9)
        for case in cases:
            self.assertEqual(self.trailer(case), plaintext(case["plaintext_len"]), case["case"])
            size, fixed = len(base64.b64decode(case["stored"])), case["envelope_len"]
            shortest = fixed + (144 if case["store_of_dsse"] else 72)
            for length in {0, 1, 71, 72, fixed - 1, fixed, shortest - 1, shortest, size - fixed, size - 1}:
                if length < size:
                    kind = "Truncated" if length < shortest else "NotAnEnvelope"
                    self.refused(kind, self.trailer, case, length)
            self.refused("Unexpected", self.trailer, {**case, "modes": []})

    def test_every_wrong_trailer_container_is_refused_with_its_class(self):
        cases = load("trailer.json")["reject"]
        self.assertEqual(len(cases), 31)
        for case in cases:
            self.refused(case["expect"], self.trailer, case)

    def test_containers_are_told_apart_by_configuration_alone(self):
        for case in load("trailer.json")["accept"]:
            stored, fixed = base64.b64decode(case["stored"]), case["envelope_len"]
            env = Envelope(stored[-fixed:])
            keys, name = keys_of(env, case["keks"]), name_of(case["name"])
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "stored")
                path.write_bytes(stored)
                self.refused("NotAnEnvelope", lambda: atrest.load(keys, name, inline=path))
                layers = len(env.layers)
                path.write_bytes(stored[-fixed:] + stored[:-fixed])
                atrest.load(keys, name, inline=path)
                self.refused("NotAnEnvelope", lambda: atrest.load(keys, name, trailer=path, store=(fixed, layers)))
                path.write_bytes(stored)
                self.refused("Truncated|Unexpected",
                             lambda: atrest.load(keys, name, trailer=path, store=(fixed, 3 - layers)))

    def test_lengths_are_as_stated_in_both_directions(self):
        derivations = load("derivations.json")
        self.assertEqual((len(derivations["bad_lengths"]), len(derivations["lengths"])), (90, 8))
        for bad in derivations["bad_lengths"]:
            self.refused("Truncated", atrest.plaintext_len, bad)
        for plain, one, two in derivations["lengths"]:
            self.assertEqual([atrest.stored_len(plain, layers) for layers in (1, 2)], [one, two])
            self.assertEqual([atrest.plaintext_len(one), atrest.plaintext_len(two)], [plain, one])
        self.assertEqual(atrest.plaintext_len(atrest.ciphertext_len(atrest.MOST)), atrest.MOST)
        self.refused("LimitExceeded", atrest.plaintext_len, atrest.ciphertext_len(atrest.MOST + 1))
        self.assertLessEqual(atrest.ciphertext_len(atrest.MOST_OF[2]), atrest.MOST)
        self.assertGreater(atrest.ciphertext_len(atrest.MOST_OF[2] + 1), atrest.MOST)


FULL = ["--bucket", "photos", "--key", "a//b/../c \u00e9", "--realm", "account-7", "--version-id", "v1"]
EMPTY = ["--bucket", "photos", "--key", "empty"]
GOLDEN = {"sse-s3": (20_000, CAT), "sse-s3-empty": (0, EMPTY), "sse-s3-chunk": (16_384, FULL),
          "sse-s3-unbound": (100, ["--unbound"]), "sse-kms": (20_000, CAT), "sse-kms-unbound": (100, ["--unbound"]),
          "dsse-kms": (20_000, CAT), "dsse-kms-chunk": (16_384, FULL),
          "sse-c": (20_000, CAT), "sse-c-empty": (0, EMPTY)}
GOLDEN_BUCKET_KEYS = {"bucket-key-sse-kms": (20_000, CAT), "bucket-key-sse-kms-empty": (0, EMPTY),
                      "bucket-key-sse-kms-chunk": (16_384, FULL)}
IN_LAKE = ["--bucket", "lake", "--key", "t/part-0 \u00e9.parquet", "--realm", "account-7"]
GOLDEN_IN_CONTAINERS = {"sse-s3": (20_000, IN_LAKE), "sse-s3-empty": (0, IN_LAKE),
                        "sse-s3-unbound": (16_384, ["--unbound"]), "sse-kms": (16_384, IN_LAKE),
                        "dsse-kms": (20_000, IN_LAKE), "sse-c": (20_000, IN_LAKE)}
PARTS_NAME = ["--bucket", "photos", "--key", "parts \u00e9", "--realm", "account-7"]
GOLDEN_MULTIPART = {"multipart-sse-s3": PARTS_NAME, "multipart-sse-s3-unbound": ["--unbound"],
                    "multipart-sse-kms": PARTS_NAME, "multipart-dsse-kms": PARTS_NAME, "multipart-sse-c": PARTS_NAME}
KMS_OBJECT = ["--bucket", "photos", "--key", "cat \u00e9.jpg", "--realm", "account-7"]
GOLDEN_KMS_KEYS = {number: f"arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-{number:012}"
                   for number in (1, 2, 3)}
# Length, and the KMS key where it is not drawn at random.
GOLDEN_OF_STORE = {"kms-sse-s3": (20_000, None), "kms-sse-s3-rotated": (0, None), "kms-sse-kms": (20_000, 1),
                   "kms-sse-kms-rotated": (16_384, 1), "kms-dsse-kms": (20_000, 1), "kms-dsse-kms-rotated": (16_384, 1),
                   "kms-sse-kms-default": (100, None), "kms-sse-kms-disabled": (100, 2),
                   "kms-sse-kms-pending": (100, 3)}
GOLDEN_MULTIPART_OF_STORE = dict.fromkeys(["kms-multipart-sse-s3", "kms-multipart-sse-kms", "kms-multipart-dsse-kms"],
                                          KMS_OBJECT)
GOLDEN_PARTS = {1: 20_000, 2: 0, 7: 16_384, 10_000: 5}
GOLDEN_VALUE = b"what must not lie in the clear"
GOLDEN_UPLOAD_ID = os.fsdecode(b"golden upload \xff")
GOLDEN_KMS = b"the only key of the golden kms!!"
CUSTOMER_KEY = b"the customer's key, kept by them"


def golden_kms(request):
    """The KMS of the golden files: a wrapped key is a message whose context is the pairs."""
    pairs = sorted(request["encryption_context"].items())
    context = "".join(f"{len(name.encode())}:{name}={len(value.encode())}:{value};" for name, value in pairs).encode()
    wrapped = base64.b64decode(request["wrapped_key"])
    return atrest.Message(Memory(wrapped), GOLDEN_KMS, context, wrapped[:56]).read(0, 32)


class CompletionRecords(Test):
    """`completion.json`, in its steps: opened, finished, refused."""

    def setUp(self):
        self.cases = load("completion.json")

    def keys(self, case):
        keyring = case.get("keyring") or self.cases["keyring"]
        states = {0: "staged", 1: "enabled", 2: "disabled"}
        versions = {version["version"]: {"state": states[version["state"]], "key": UNHEX(version["key"])}
                    for version in keyring["versions"]}
        keyring = {"key_id": keyring["key_id"], "versions": versions}
        return Keys(keyring, customer_key=UNHEX(case["customer_key"]), modes=case.get("modes"))

    def test_every_record_opens_and_finishes_to_the_stated_object(self):
        self.assertEqual(len(self.cases["accept"]), 10)
        for case in self.cases["accept"]:
            with self.subTest(case["case"]):
                record, name = Record(UNHEX(case["record"])), name_of(case["name"])
                record.open(name, self.keys(case))
                self.assertEqual(record.total, case["plaintext_len"])
                self.assertEqual([(number, label) for number, _, _, _, label in record.parts],
                                 [(part["number"], UNHEX(part["label"])) for part in case["parts"]])
                body = Memory(base64.b64decode(case["body"]))
                whole = b"".join(record.finish(name, self.keys(case), body).whole())
                self.assertEqual(whole, plaintext(case["plaintext_len"]))
                env, finished = Envelope(UNHEX(case["finished"]["envelope"])), case["finished"]
                data_keys = self.keys(case).unlock(env, name)
                opened = atrest.open_object(env, data_keys, body, Memory(UNHEX(finished["manifest"])))
                self.assertEqual(b"".join(opened.whole()), whole)

    def test_every_record_that_must_be_refused_is_refused_in_its_step_with_its_class(self):
        self.assertEqual(len(self.cases["reject"]), 94)
        for case in self.cases["reject"]:
            # Whoever calls the program for a record expects one.
            if not case["records_expected"]:
                continue
            with self.subTest(case["case"]):
                name, keys = name_of(case.get("name")), self.keys(case)
                steps = {"open": lambda: Record(UNHEX(case["record"])).open(name, keys),
                         "finish": lambda: Record(UNHEX(case["record"])).finish(name, keys, Memory(b""))}
                self.refused(case["expect"], steps["finish"])
                if case["refused_by"] == "open":
                    self.refused(case["expect"], steps["open"])
                else:
                    steps["open"]()

    def test_every_upload_that_was_completed_with_its_keys_opens(self):
        for case in self.cases["completed_with_keys"]:
            with self.subTest(case["case"]):
                of_object = {**case, **case["finished"]}
                self.assertEqual(whole(of_object), plaintext(case["plaintext_len"]))
                before, after = (Envelope(UNHEX(case[key]["envelope"] if key == "finished" else case[key]))
                                 for key in ("upload_envelope", "finished"))
                for old, new in zip(before.layers, after.layers):
                    if old.mode == 2:
                        self.assertEqual([old.fields.get(kind) for kind in (1, 3, 4)],
                                         [new.fields.get(kind) for kind in (1, 3, 4)])
                        self.assertEqual(old.bucket_key, new.bucket_key)
                        self.assertNotEqual(old.wrap_salt, new.wrap_salt)


class Messages(Test):
    def opened(self, message, data_keys, headers):
        return b"".join(atrest.open_message(Memory(message), data_keys, b"context", headers).whole())

    def test_an_empty_last_chunk_of_the_outer_layer_has_to_be_authentic_too(self):
        inner = seal_message(bytes(32), b"context", plaintext(16_312))
        self.assertEqual(len(inner), atrest.CHUNK)
        outer = seal_message(b"k" * 32, b"context", inner)
        keys, headers = [b"k" * 32, bytes(32)], [outer[:56], inner[:56]]
        self.assertEqual(self.opened(outer, keys, headers), plaintext(16_312))
        self.refused("Inauthentic", self.opened, outer[:-1] + bytes([outer[-1] ^ 1]), keys, headers)
        self.refused("Truncated", self.opened, outer[:-16], keys, headers)

    def test_a_commitment_that_is_not_the_data_keys_is_refused(self):
        good = seal_message(bytes(32), b"context", plaintext(100))
        self.assertEqual(self.opened(good, [bytes(32)], [good[:56]]), plaintext(100))
        wrong = good[:55] + bytes([good[55] ^ 1]) + good[56:]
        self.refused("Inauthentic", self.opened, wrong, [bytes(32)], [wrong[:56]])

    def test_a_value_is_as_long_as_it_may_be_and_no_longer(self):
        for data_keys in ([bytes(32)], [bytes(32), b"k" * 32]):
            longest = seal(data_keys, bytes(24), "name", bytes(65_535))
            self.assertEqual(len(longest), 65_535 + 41 * len(data_keys))
            self.assertEqual(atrest.open_value(data_keys, bytes(24), "name", longest), bytes(65_535))
            longer = seal(data_keys, bytes(24), "name", bytes(65_536))
            self.refused("Inauthentic", atrest.open_value, data_keys, bytes(24), "name", longer)


class TheProgram(ProgramTest):
    """On the files that each version of the library has left, among others."""

    def golden(self, folder, name):
        """The arguments that open a golden file."""
        _, object_name = {**GOLDEN, **GOLDEN_BUCKET_KEYS}[name]
        envelope, body = folder / f"{name}.envelope", folder / f"{name}.body"
        args = ["open", "--envelope", envelope, "--body", body, *object_name, "--out", self.out]
        return [*args, *self.golden_keys(envelope, object_name)]

    def golden_keys(self, envelope, object_name, folder=None):
        folder, args = folder or envelope.parent, []
        if "sse-c" not in envelope.name:
            args = ["--keyring", folder / "keyring.atrest", "--root-key", folder / "root.key"]
        if "kms" in envelope.name:
            request = json.loads(self.program("kms-request", envelope, *object_name))
            args += ["--kek", self.file("kek", golden_kms(request)), "--kms-key", request["key_id"]]
        if "sse-c" in envelope.name:
            args += ["--customer-key", self.file("customer", base64.b64encode(CUSTOMER_KEY) + b"\n")]
        return args

    def test_every_file_that_the_library_ever_wrote_opens(self):
        versions = [path for path in (TESTS / "golden").iterdir() if path.is_dir()]
        self.assertGreaterEqual(len(versions), 2)
        for folder in versions:
            opened = set()

            def noting(path, *mode):
                opened.add(Path(path))
                return open(path, *mode)

            with mock.patch.object(atrest, "open", noting, create=True):
                self.golden_objects_open(folder, GOLDEN)
                self.golden_keyrings_open(folder)
                if folder.name != "0.1.0":  # The first version had none.
                    self.golden_multipart_objects_open(folder, GOLDEN_MULTIPART, self.golden_keys)
                if folder.name not in ("0.1.0", "0.2.0", "0.3.0"):  # Nor these a completion record.
                    opened |= self.golden_completion_opens(folder)
                    self.golden_containers_open(folder)
                    self.golden_objects_open(folder, GOLDEN_BUCKET_KEYS)
                    upload = {"bucket-key-multipart-sse-kms": PARTS_NAME}
                    self.golden_multipart_objects_open(folder, upload, self.golden_keys)
                if folder.name not in ("0.1.0", "0.2.0"):  # Nor had the second a key store.
                    self.golden_wrapped_root_key_opens(folder)
                    self.golden_key_stores_open(folder)
            self.assertEqual([path.name for path in folder.iterdir() if path not in opened], [])

    def golden_objects_open(self, folder, objects):
        for name, (size, object_name) in objects.items():
            with self.subTest(folder=folder.name, name=name):
                args = self.golden(folder, name)
                self.program(*args)
                self.assertEqual(self.out.read_bytes(), plaintext(size))
                self.out.unlink()
                if folder.name != "0.1.0":  # The first version had none.
                    at = args.index("--body")
                    value = ["value", *args[1:at], *args[at + 2:], "--of", "object", "--name", "md5", "--sealed"]
                    self.program(*value, folder / f"{name}.value")
                    self.assertEqual(self.out.read_bytes(), name.encode())
                    self.out.unlink()

    def golden_containers_open(self, folder):
        for name, (size, object_name) in GOLDEN_IN_CONTAINERS.items():
            for container in ("inline", "trailer"):
                with self.subTest(folder=folder.name, name=name, container=container):
                    stored, fixed = folder / f"{container}-{name}.stored", 1_024 if name == "dsse-kms" else 512
                    content = stored.read_bytes()
                    envelope = content[:fixed] if container == "inline" else content[-fixed:]
                    keys = self.golden_keys(self.file(f"{name}.envelope", envelope), object_name, folder)
                    store = ["--envelope-len", fixed, *(["--dsse-store"] if name == "dsse-kms" else [])]
                    rest = [*object_name, *keys, "--out", self.out]
                    self.program("open", f"--{container}", stored, *store, *rest)
                    self.assertEqual(self.out.read_bytes(), plaintext(size))
                    self.out.unlink()
                    other = "trailer" if container == "inline" else "inline"
                    self.assert_refused("NotAnEnvelope", "open", f"--{other}", stored, *store, *rest)

    def golden_keyrings_open(self, folder):
        passphrase = self.file("passphrase", PASSPHRASE.encode())
        of_key = self.program("keyring", "--keyring", folder / "keyring.atrest", "--root-key", folder / "root.key")
        of_phrase = self.program("keyring", "--keyring", folder / "passphrase.atrest", "--passphrase", passphrase)
        shown = map(json.loads, (of_key, of_phrase))
        self.assertEqual(*([keyring["key_id"], keyring["versions"]] for keyring in shown))

    def golden_wrapped_root_key_opens(self, folder):
        first, key_id, wrapped = atrest.read_file(folder / "root.wrapped").decode().splitlines()
        self.assertEqual((first, key_id), ("atrest-root-key 1", "golden-kms:key/1"))
        root_key = golden_kms({"encryption_context": {"atrest:purpose": "root key"}, "wrapped_key": wrapped})
        unwrapped = self.file("unwrapped", root_key)
        shown = self.program("keyring", "--keyring", folder / "wrapped.atrest", "--root-key", unwrapped)
        of_key = self.program("keyring", "--keyring", folder / "keyring.atrest", "--root-key", folder / "root.key")
        shown, of_key = map(json.loads, (shown, of_key))
        self.assertEqual([shown["key_id"], shown["versions"]], [of_key["key_id"], of_key["versions"]])

    def golden_key_stores_open(self, folder):
        from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
        passphrase, root_key = self.file("passphrase", PASSPHRASE.encode()), folder / "root.key"
        for name, secret, generation in [("kms.atrest", ["--root-key", root_key], 7),
                                         ("kms-backup.atrest", ["--root-key", folder / "kms-backup.key"], 7),
                                         ("kms-passphrase.atrest", ["--passphrase", passphrase], 8)]:
            with self.subTest(folder=folder.name, name=name):
                store = ["--key-store", folder / name, *secret]
                self.assert_golden_key_store(json.loads(self.program("key-store", *store)), generation)
                for name, (size, number) in GOLDEN_OF_STORE.items():
                    stored = ["--envelope", folder / f"{name}.envelope", "--body", folder / f"{name}.body"]
                    accepted = ["--kms-key", GOLDEN_KMS_KEYS[number]] if number else ["--any-kms-key"]
                    self.program("open", *stored, *KMS_OBJECT, *store, *accepted, "--out", self.out)
                    self.assertEqual(self.out.read_bytes(), plaintext(size))
                    self.assertEqual(len(self.notes), 1 if number in (2, 3) else 0)
                    self.out.unlink()

                def keys(envelope, object_name):
                    return [*store, "--kms-key", GOLDEN_KMS_KEYS[1]]

                if generation == 7:
                    self.golden_multipart_objects_open(folder, GOLDEN_MULTIPART_OF_STORE, keys)
        store = atrest.open_key_store((folder / "kms.atrest").read_bytes(), root_key.read_bytes())
        for number in (1, 2):
            exported = atrest.read_file(folder / f"kms-exported-{number}")
            material = aes_key_unwrap_with_padding(atrest.read_file(folder / "kms-wrapping.key"), exported)
            self.assertEqual(material, store["keys"][GOLDEN_KMS_KEYS[1]]["versions"][number]["key"])

    def assert_golden_key_store(self, shown, generation):
        self.assertEqual([shown["generation"], shown["owner"]], [generation, "golden service"])
        states = {key_id: key["state"] for key_id, key in shown["keys"].items()}
        of_numbers = [states.pop(GOLDEN_KMS_KEYS[number]) for number in (1, 2, 3)]
        self.assertEqual((of_numbers, [*states.values()]), (["enabled", "disabled", "pending-deletion"], ["enabled"]))
        self.assertEqual([*shown["aliases"]], ["alias/app", "alias/aws/s3", "alias/team/Photos_1-2"])
        app, pending = (shown["keys"][GOLDEN_KMS_KEYS[number]] for number in (1, 3))
        self.assertEqual(pending["deletion"], 1_795_971_604_123)
        self.assertEqual([version["created_ms"] for version in app["versions"]], [1_795_280_404_123, 1_795_366_804_123])
        alice = "arn:aws:iam::111122223333:user/alice"
        self.assertEqual(app["policy"], {"generate": [alice], "unwrap": [alice, "backup"], "administer": []})
        self.assertEqual([app["quota"], app["rotation_days"]], [{"per_second": 10_000, "burst": 20_000}, 90])
        self.assertEqual(app["tags"], {"gr\u00f6\u00dfe": "", "team": "photos"})
        self.assertEqual(app["description"], 'what the app "photos" writes: \u00e9\n')

    def golden_multipart_objects_open(self, folder, objects, keys):
        for name, object_name in objects.items():
            with self.subTest(folder=folder.name, name=name):
                def file(what):
                    return folder / f"{name}.{what}"

                of_object = ["--envelope", file("envelope"), "--manifest", file("manifest"), *object_name]
                of_object += keys(file("envelope"), object_name)
                parts = [file(f"part-{number}") for number in GOLDEN_PARTS]
                self.program("open", *of_object, "--body", *parts, "--out", self.out)
                self.assertEqual(self.out.read_bytes(), plaintext(sum(GOLDEN_PARTS.values())))
                self.out.unlink()
                self.assert_golden_value(of_object, "object", file("value-object"))
                for number in GOLDEN_PARTS:
                    self.assert_golden_value(of_object, number, file(f"value-part-{number}"))

                under_way = ["--upload"] if name.endswith("unbound") else ["--upload-id", GOLDEN_UPLOAD_ID]
                of_upload = ["--envelope", file("upload"), *object_name, *under_way]
                of_upload += keys(file("upload"), object_name)
                self.assert_golden_value(of_upload, "upload", file("value-upload"))
                for (number, size), part in zip(GOLDEN_PARTS.items(), parts):
                    receipt = file(f"receipt-{number}")
                    shown = json.loads(self.program("receipt", *of_upload, "--sealed", receipt))
                    self.assertEqual((shown["number"], shown["len"]), (number, size))
                    self.assertEqual(UNHEX(shown["label"]), b'"etag-%d"' % number)
                    self.assertEqual(UNHEX(shown["headers"][0]), part.read_bytes()[:56])
                    self.assert_golden_value([*of_upload, "--receipt", receipt], number, file(f"value-part-{number}"))

    def golden_completion_opens(self, folder):
        """Gives the files that only the library reads."""
        def file(what):
            return folder / f"completed-sse-c.{what}"

        name = ["--realm", "account-7", "--bucket", "photos", "--key", "completed \u00e9", "--version-id", "v1"]
        keyring = ["--keyring", folder / "keyring.atrest", "--root-key", folder / "root.key"]
        parts, whole = [file(f"part-{number}") for number in GOLDEN_PARTS], sum(GOLDEN_PARTS.values())
        of_record = ["record", "--record", file("record"), *name, *keyring]
        shown = json.loads(self.program(*of_record))
        self.assertEqual((shown["total_len"], shown["upload_id"]), (whole, b"golden upload \xff".hex()))
        self.assertEqual([(part["number"], part["len"]) for part in shown["parts"]], list(GOLDEN_PARTS.items()))
        key = ["--customer-key", self.file("customer", CUSTOMER_KEY)]
        self.program(*of_record, *key, "--body", *parts, "--out", self.out)
        self.assertEqual(self.out.read_bytes(), plaintext(whole))
        self.out.unlink()
        self.assert_refused("CustomerKeyRequired", *of_record, "--body", *parts, "--out", self.out)
        self.program("open", "--envelope", file("envelope"), "--manifest", file("manifest"), *name, *key,
                     "--body", *parts, "--out", self.out)
        self.assertEqual(self.out.read_bytes(), plaintext(whole))
        self.out.unlink()
        total, record = file("total").read_bytes(), file("record").read_bytes()
        self.assertEqual(total, b"\x89ARSL\r\n\x1a\x01" + whole.to_bytes(8, "big") + record[-32:])
        kept = [file(f"kept-{number}") for number in GOLDEN_PARTS]
        self.assertTrue(all(path.read_bytes().startswith(b"\x89ARSA\r\n\x1a\x01") for path in kept))
        return {file("total"), *kept}

    def assert_golden_value(self, args, of, sealed):
        shown = self.program("value", *args, "--of", of, "--name", "md5", "--sealed", sealed)
        self.assertEqual(UNHEX(shown), GOLDEN_VALUE)

    def test_a_keyring_is_shown_without_its_keys(self):
        folder = TESTS / "golden" / "0.1.0"
        sealed, root_key = (folder / "keyring.atrest").read_bytes(), (folder / "root.key").read_bytes()
        shown = self.program("keyring", "--keyring", folder / "keyring.atrest", "--root-key", folder / "root.key")
        keyring = atrest.open_keyring(sealed, root_key)
        states = [version["state"] for version in json.loads(shown)["versions"]]
        self.assertEqual(states, ["enabled", "enabled", "staged"])
        for version in keyring["versions"].values():
            self.assertNotIn(version["key"].hex()[:8], shown)
        with_hex = self.file("hex", root_key.hex().encode() + b"\n")
        of_id = ["keyring", "--keyring", folder / "keyring.atrest", "--root-key", with_hex, "--key-id"]
        self.assertEqual(self.program(*of_id, keyring["key_id"], "--min-generation", 3), shown)
        self.assert_refused("Unexpected", *of_id, "another")
        self.assert_refused("Unexpected", *of_id, keyring["key_id"], "--min-generation", 4)
        self.assert_refused("Misuse", *of_id[:4], self.file("short", root_key[1:]))
        self.assert_refused("Misuse", *of_id[:4], "env:NOT_THERE")
        self.assert_refused("Io", *of_id[:4], self.folder / "not there")

    def test_a_keyring_under_a_passphrase_opens(self):
        folder = TESTS / "golden" / "0.1.0"
        args = ["keyring", "--keyring", folder / "passphrase.atrest", "--passphrase"]
        shown = json.loads(self.program(*args, self.file("passphrase", PASSPHRASE.encode() + b"\r\n")))
        self.assertEqual(len(shown["versions"]), 3)
        with mock.patch.dict(os.environ, {"GOLDEN": PASSPHRASE}):
            self.assertEqual(json.loads(self.program(*args, "env:GOLDEN")), shown)
        self.assert_refused("WrongRootKey", *args, self.file("wrong", b"golden passphrase e"))
        self.assert_refused("WrongRootKey", *args[:-1], "--root-key", folder / "root.key")
        with mock.patch.dict(sys.modules, {"cryptography.hazmat.primitives.kdf.argon2": None}):
            self.assert_refused("NotCompiled", *args, self.folder / "passphrase")

    def test_a_refused_object_leaves_no_file(self):
        folder = TESTS / "golden" / "0.1.0"
        good = self.golden(folder, "sse-s3")
        self.assert_refused("Inauthentic", *[arg if arg != "cat.jpg" else "dog.jpg" for arg in good])
        body = (folder / "sse-s3.body").read_bytes()
        replaced = [arg if arg != folder / "sse-s3.body" else self.folder / "body" for arg in good]
        self.file("body", body[:-1] + bytes([body[-1] ^ 1]))
        self.assert_refused("Inauthentic", *replaced)
        self.file("body", body[:56])
        self.assert_refused("Truncated", *replaced)
        self.out.write_bytes(b"precious")
        self.assertIn("Misuse", self.program(*good, status=1))
        self.assertEqual(self.out.read_bytes(), b"precious")

    def test_nothing_is_accepted_that_was_not_named(self):
        folder = TESTS / "golden" / "0.1.0"
        for name in ("sse-kms", "dsse-kms"):
            good = self.golden(folder, name)
            at = good.index("--kms-key")
            self.assert_refused("Unexpected", *good[:at], *good[at + 2:])
            self.assert_refused("Unexpected", *good[:at + 1], "another", *good[at + 2:])
            self.assert_refused("KeyProvider", *good[:at - 2], *good[at:])
            self.assert_refused("Unexpected", *good, "--mode", "sse-s3", "--mode", "sse-c")
            self.program(*good[:at], *good[at + 2:], "--any-kms-key", "--mode", name)
            self.out.unlink()
        good = self.golden(folder, "sse-s3")
        at = good.index("--keyring")
        self.assert_refused("Unexpected", *good[:at], *good[at + 4:])
        self.assert_refused("Unexpected", *[arg for arg in good if arg not in CAT], "--unbound")
        self.assert_refused("Misuse", *good, "--unbound")
        good = self.golden(folder, "sse-c")
        self.assert_refused("CustomerKeyRequired", *good[:-2])
        self.assert_refused("CustomerKeyMismatch", *good[:-1], self.file("wrong", bytes(32)))
        self.assert_refused("Unexpected", "kms-request", folder / "sse-s3.envelope", *CAT)
        self.assert_refused("Misuse", "kms-request", folder / "sse-kms.envelope", "--bucket", "a/b", "--key", "c")

    def test_one_key_of_the_keyring_is_enough(self):
        folder = TESTS / "golden" / "0.1.0"
        keyring = atrest.open_keyring((folder / "keyring.atrest").read_bytes(), (folder / "root.key").read_bytes())
        good = self.golden(folder, "sse-s3")
        at = good.index("--keyring")
        master_key = self.file("key", keyring["versions"][1]["key"])
        args = [*good[:at], *good[at + 4:], "--master-key", master_key, "--key-version"]
        self.program(*args, 1, "--key-id", keyring["key_id"])
        self.assertEqual(self.out.read_bytes(), plaintext(20_000))
        self.out.unlink()
        self.assert_refused("Misuse", *args, 1)
        self.assert_refused("Unexpected", *args, 1, "--key-id", "another")
        self.assert_refused("KeyProvider", *args, 2, "--key-id", keyring["key_id"])

    def test_a_disabled_version_opens_nothing(self):
        env = Envelope((TESTS / "golden" / "0.1.0" / "sse-s3.envelope").read_bytes())
        for state, refused in [("staged", False), ("enabled", False), ("disabled", True)]:
            keys = Keys({"key_id": env.key_id, "versions": {env.key_version: {"state": state, "key": bytes(32)}}})
            name = (b"", b"photos", b"cat.jpg", b"", b"")
            self.refused("KeyProvider" if refused else "Inauthentic", keys.unlock, env, name)

    def test_an_inline_container_is_asked_for_its_kms_and_opened(self):
        folder = TESTS / "golden" / "0.1.0"
        good = self.golden(folder, "dsse-kms")
        contained = (folder / "dsse-kms.envelope").read_bytes() + (folder / "dsse-kms.body").read_bytes()
        inline = self.file("inline", contained)
        for asked in (["envelope"], ["kms-request", *CAT]):
            shown = self.program(*asked, inline, "--inline")
            self.assertEqual(shown, self.program(*asked, folder / "dsse-kms.envelope"))
            self.assert_refused("Malformed", *asked, inline)
        self.program("open", "--inline", inline, *good[5:])
        self.assertEqual(self.out.read_bytes(), plaintext(20_000))
        self.out.unlink()
        self.assert_refused("Misuse", "open", *good[5:])

    def test_a_trailer_container_is_asked_for_its_kms_and_opened(self):
        accepted = load("trailer.json")["accept"]
        case = next(case for case in accepted if case["mode"] == "sse-kms")
        trailer, fixed = self.file("trailer", base64.b64decode(case["stored"])), case["envelope_len"]
        store = ["--envelope-len", fixed]
        args = ["--bucket", UNHEX(case["name"][1]).decode(), "--key", UNHEX(case["name"][2]).decode()]
        envelope = self.file("envelope", trailer.read_bytes()[-fixed:])
        for asked in (["envelope"], ["kms-request", *args]):
            shown = self.program(*asked, trailer, "--trailer", *store)
            self.assertEqual(shown, self.program(*asked, envelope))
            self.assert_refused("NotAnEnvelope", *asked, trailer)
            self.assert_refused("NotAnEnvelope", *asked, trailer, "--inline")
            self.assert_refused("Misuse", *asked, trailer, "--trailer")
            self.assert_refused("NotAnEnvelope", *asked, trailer, "--trailer", "--envelope-len", fixed - 1)
            self.assert_refused("Truncated", *asked, trailer, "--trailer", "--envelope-len", 1 << 63)
            self.assert_refused("Truncated", *asked, trailer, "--trailer", *store, "--dsse-store")
        key = self.file("kek", UNHEX(case["keks"][0]))
        args = ["open", "--trailer", trailer, *args, "--kek", key, "--any-kms-key", "--out", self.out]
        self.program(*args, *store)
        self.assertEqual(self.out.read_bytes(), plaintext(case["plaintext_len"]))
        self.out.unlink()
        self.program(*args, *store, "--range", "-1")
        self.assertEqual(self.out.read_bytes(), plaintext(case["plaintext_len"])[-1:])
        self.out.unlink()
        self.assert_refused("Misuse", *args)

    def test_a_name_that_no_name_can_be_is_misuse(self):
        good = self.golden(TESTS / "golden" / "0.1.0", "sse-s3")
        self.assert_refused("Misuse", *good, "--names-in-hex")
        self.assert_refused("Misuse", *good, "--realm", "r" * 65_536)
        self.assert_refused("Misuse", *good, "--key", "")
        for name in ["", "n" * 256, "atrest/receipt", "\udcff"]:
            self.refused("Misuse", atrest.open_value, [bytes(32)], bytes(24), name, bytes(41))

    def test_a_range_and_a_body_in_several_files_open(self):
        case = next(case for case in load("accept.json")["cases"] if case["case"] == "sse-s3 multipart")
        env = Envelope(UNHEX(case["envelope"]))
        body, pieces = base64.b64decode(case["body"]), []
        for number, size in case["parts"]:
            stored_len = atrest.ciphertext_len(size)
            pieces += ["--body", self.file(f"part {number}", body[:stored_len])]
            body = body[stored_len:]
        envelope = self.file("envelope", UNHEX(case["envelope"]))
        args = ["open", "--envelope", envelope, *pieces, *self.of_case(case), "--out", self.out]
        self.assert_refused("ManifestRequired", *args)
        args += ["--manifest", self.file("manifest", UNHEX(case["manifest"]))]
        self.program(*args)
        self.assertEqual(self.out.read_bytes(), plaintext(case["plaintext_len"]))
        self.out.unlink()
        self.assertIn("bytes, sse-s3, authentic", self.program(*args, "--range", "39990-40009"))
        self.assertEqual(self.out.read_bytes(), plaintext(40_010)[39_990:])
        self.out.unlink()
        self.assert_refused("RangeNotSatisfiable", *args, "--range", f"{env.total}-")

    def of_case(self, case):
        """Name and keys of a case in SSE-S3."""
        env = Envelope(UNHEX(case["envelope"]))
        _, bucket, key, _, upload_id = case["name"]
        args = ["--names-in-hex", "--bucket", bucket, "--key", key, *(["--upload-id", upload_id] if upload_id else [])]
        master_key = self.file("master key", UNHEX(case["keks"][0]))
        return [*args, "--master-key", master_key, "--key-id", env.key_id, "--key-version", env.key_version]

    def test_the_page_recovery_shows_what_is_printed(self):
        page = (TESTS.parent / "src" / "manual" / "recovery.md").read_text(encoding="utf-8")
        golden, with_kms, with_record, store = (self.folder / name for name in ("0.2.0", "0.3.0", "0.4.0", "store"))
        for copied in (golden, with_kms, with_record):
            shutil.copytree(TESTS / "golden" / copied.name, copied)
        self.example_store(store)
        program = self.file("atrest.py", f'#!/bin/sh\nexec "{sys.executable}" "{atrest.__file__}" "$@"\n'.encode())
        program.chmod(0o700)
        blocks, place = re.findall(r"^```text\n(\$ .*?)^```", page, re.MULTILINE | re.DOTALL), golden
        self.assertGreaterEqual(len(blocks), 11)
        for block in blocks:
            there = re.match(r"\$ cd (\S+)\n", block)
            place = {"../0.3.0": with_kms, "../0.4.0": with_record, "DIR": store}[there[1]] if there else place
            commands = re.findall(r"^\$ ((?:.*\\\n)*.*\n)", block, re.MULTILINE)
            printed = re.sub(r"^\$ (?:.*\\\n)*.*\n", "", block, flags=re.MULTILINE).replace("\n\n", "\n")
            pattern = "".join("(?s:.*)" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
                              for line in printed.splitlines())
            path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
            run = subprocess.run(["sh", "-c", re.sub("^cd .*\n", "", "".join(commands))], cwd=place, text=True,
                                 encoding="utf-8", env={**os.environ, "PATH": path, "PYTHONUTF8": "1"},
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertRegex(run.stdout, rf"\A{pattern}\Z", block)
        self.assertEqual((golden / "cat.jpg").read_bytes(), plaintext(20_000))
        self.assertEqual((golden / "piece").read_bytes(), plaintext(20_010)[19_990:])
        self.assertEqual((with_kms / "cat.jpg").read_bytes(), plaintext(100))
        self.assertEqual((with_record / "completed").read_bytes(), plaintext(36_389))
        self.assertEqual((store / "film").read_bytes(), plaintext(40_000))

    def example_store(self, store):
        """What the example `files` leaves of an object that was put in parts."""
        root_key, kek, store_id, body = os.urandom(32), os.urandom(32), os.urandom(16).hex(), os.urandom(16).hex()
        whole = plaintext(40_000)
        name = (store_id.encode(), b"files", b"film", b"", b"")
        envelope, manifest, parts = seal_multipart(os.urandom(32), kek, "key", name, [whole[:16_384], whole[16_384:]])
        record = f"atrest-files 1\nbody {body}\nenvelope {base64.b64encode(envelope).decode()}\n"
        files = {"store": f"atrest-store 1\nid {store_id}\nkeyring key\n".encode(), "keys/root.key": root_key,
                 "keys/master.atrest": seal_keyring(root_key, "key", 1, kek),
                 f"records/{base64.b32encode(b'film').decode().rstrip('=')}.record": record.encode(),
                 f"bodies/{body}/manifest": manifest,
                 **{f"bodies/{body}/{number:05}": part for number, part in enumerate(parts, 1)}}
        for path, content in files.items():
            (store / path).parent.mkdir(parents=True, exist_ok=True)
            (store / path).write_bytes(content)

    def test_more_parts_open_than_a_process_can_hold_files(self):
        import resource
        data_key, kek, whole = os.urandom(32), os.urandom(32), plaintext(10_000)
        cut = [whole[5 * i:5 * i + 5] for i in range(2_000)]
        cut[7:9] = [b"".join(cut[7:9]), b""]
        envelope, manifest, parts = seal_multipart(data_key, kek, "key", None, cut)
        paths = [str(self.file(f"part {number}", part)) for number, part in enumerate(parts, 1)]
        args = ["open", "--unbound", "--envelope", self.file("envelope", envelope), "--out", self.out]
        args += ["--manifest", self.file("manifest", manifest)]
        args += ["--master-key", self.file("key", kek), "--key-id", "key", "--key-version", 1]
        bodies = f"@{self.file('bodies', os.linesep.join(['--body', *paths]).encode())}"
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, limits[1]))
        self.program(*args, bodies)
        self.assertEqual(self.out.read_bytes(), whole)
        self.out.unlink()
        self.program(*args, bodies, "--range", "31-9000")
        self.assertEqual(self.out.read_bytes(), whole[31:9_001])
        self.out.unlink()
        lacking = self.program(*args, "--body", *paths[:1_999], status=1)
        there, all_of_them = (sum(map(len, pieces)) for pieces in (parts[:1_999], parts))
        self.assertIn(f"Truncated: the body is of {there} bytes, its 2000 parts take {all_of_them}", lacking)
        self.assert_refused("Inauthentic: the body is of", *args, "--body", *paths, paths[8])
        self.assert_refused("Inauthentic", *args, "--body", paths[1], paths[0], *paths[2:])
        self.assert_refused(f"Misuse: {re.escape(str(self.folder))}", *args, "--body", paths[0], self.folder)

    def test_a_file_that_becomes_shorter_meanwhile_is_truncated(self):
        paths = [self.file("1", b"abc"), self.file("2", b""), self.file("3", b"defg")]
        stored = atrest.Stored(*paths)
        self.assertEqual([stored.read(at, n) for at, n in [(0, 7), (2, 2), (3, 1), (7, 0), (0, 1), (6, 1)]],
                         [b"abcdefg", b"cd", b"d", b"", b"a", b"g"])
        paths[0].write_bytes(b"ab")
        self.refused("Truncated", stored.read, 1, 3)

    def test_what_is_missing_is_named(self):
        folder = TESTS / "golden" / "0.2.0"
        good = self.golden(folder, "sse-s3")
        for flag in ("--body", "--root-key"):
            at = good.index(flag)
            self.assert_refused(f"Misuse: {flag} is missing", *good[:at], *good[at + 2:])
        self.assert_refused("Misuse: --root-key is missing", "keyring", "--keyring", folder / "keyring.atrest")
        at = good.index("--body")
        value = ["value", *good[1:at], *good[at + 2:], "--name", "md5", "--sealed", folder / "sse-s3.value"]
        for wrong in ("\u00b2", "\u0661", "-1", "part", "", "1" * 5_000):
            self.assert_refused("Misuse: --of", *value, f"--of={wrong}")

    def test_a_program_that_is_stopped_leaves_no_file(self):
        good = self.golden(TESTS / "golden" / "0.2.0", "sse-s3")
        self.addCleanup(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_IGN))

        def stopped(_):
            yield b"the first piece"
            self.assertTrue([name for name in os.listdir(self.folder) if name.startswith(".")])
            os.kill(os.getpid(), signal.SIGTERM)
            yield b"another"

        with mock.patch.object(atrest.Object, "whole", stopped), self.assertRaises(KeyboardInterrupt):
            self.program(*good)
        self.assertEqual([name for name in os.listdir(self.folder) if name == "out" or name.startswith(".")], [])

    def test_values_and_receipts_of_an_upload_and_of_its_object_open(self):
        accepted, refused = load("accept.json")["cases"], load("reject.json")["cases"]
        done = next(case for case in accepted if case["case"] == "sse-s3 multipart")
        under_way = next(case for case in refused if case["case"] == "an upload under way read with its id")
        for case in (done, under_way):
            data_keys = list(map(UNHEX, case["data_keys"]))
            header = os.urandom(56)
            record = (2).to_bytes(4, "big") + (0).to_bytes(8, "big") + header + lp(b"tag")
            receipt = self.file("receipt", seal(data_keys, bytes(24), "atrest/receipt", record))
            args = ["--envelope", self.file("envelope", UNHEX(case["envelope"])), *self.of_case(case)]
            args += ["--manifest", self.file("manifest", UNHEX(case["manifest"]))] if case is done else []
            shown = json.loads(self.program("receipt", *args, "--sealed", receipt))
            self.assertEqual(shown, {"number": 2, "len": 0, "headers": [header.hex()], "label": b"tag".hex()})
            env = Envelope(UNHEX(case["envelope"]))
            described = {"upload": bytes(24), "2": header[:24]}
            if case is done:
                described["object"] = env.manifest[:24]
                described["1"] = base64.b64decode(case["body"])[:24]
            for of, salt in described.items():
                sealed = self.file("sealed", seal(data_keys, salt, "md5", b"value of " + of.encode()))
                of_part = ["--receipt", receipt] if of == "2" else []
                value = ["value", *args, *of_part, "--of", of, "--sealed", sealed, "--name"]
                self.assertEqual(UNHEX(self.program(*value, "md5")), b"value of " + of.encode())
                self.program(*value, "md5", "--out", self.out)
                self.assertEqual(self.out.read_bytes(), b"value of " + of.encode())
                self.out.unlink()
                self.assert_refused("Inauthentic", *value, "crc32")
                self.assert_refused("Misuse", *value, "atrest/receipt")
            value = ["value", *args, "--sealed", self.folder / "sealed", "--name", "md5", "--of"]
            self.assert_refused("InvalidPart", *value, 3, "--receipt", receipt)
            self.assert_refused("InvalidPart" if case is done else "Misuse", *value, 77)
        self.assert_refused("Misuse", *value, "object")
        self.assert_refused("UploadNotComplete", "open", *args[:2], *self.of_case({**under_way, "name": done["name"]}),
                            "--body", self.folder / "sealed", "--out", self.out)

    def test_a_folder_of_cases_is_checked(self):
        root_key, cases = os.urandom(32), []
        self.file("root", root_key)
        for at, case in enumerate(load("accept.json")["cases"]):
            env, data_keys = unlock(case)
            stated = {"case": case["case"], "root_key": "root", "keyring": f"{at}.keyring", "plaintext": f"{at}.plain"}
            keks = {layer.mode: UNHEX(kek) for layer, kek in zip(env.layers, case["keks"])}
            master_key = keks.get(1, keks.get(3, bytes(32)))
            keyring = seal_keyring(root_key, env.key_id or "-", env.key_version or 1, master_key)
            self.file(f"{at}.keyring", keyring)
            self.file(f"{at}.plain", plaintext(case["plaintext_len"]))
            for field, key in (("kek", keks.get(2)), ("customer_key", keks.get(4))):
                stated[field] = key and self.file(f"{at}.{field}", key).name
            manifest, body = UNHEX(case.get("manifest", "")), base64.b64decode(case["body"])
            if at % 2:
                stated["inline"] = self.file(f"{at}.inline", UNHEX(case["envelope"]) + manifest + body).name
            else:
                stated["envelope"] = self.file(f"{at}.envelope", UNHEX(case["envelope"])).name
                stated["manifest"] = self.file(f"{at}.manifest", manifest).name if manifest else None
                stated["body"] = [self.file(f"{at}.body", body).name]
            stated["name"] = case["name"] and dict(zip(("realm", "bucket", "key", "version_id"), case["name"]))
            stated["receipts"] = [
                {"sealed": self.file(f"{at}.receipt.{number}", UNHEX(sealed)).name, "number": number, "len": size,
                 "label": (b"etag-%d" % number).hex()}
                for (number, size), sealed in zip(case.get("parts", []), case.get("receipts", []))]
            of = (env.layers[-1].message or env.layers[-1].manifest)[:24]
            sealed = self.file(f"{at}.value", seal(data_keys, of, "md5", b"its digest"))
            stated["values"] = [{"name": "md5", "sealed": sealed.name, "of": "object", "value": b"its digest".hex()}]
            cases.append(stated)

        case = next(c for c in load("reject.json")["cases"] if c["case"] == "an upload under way read with its id")
        env, data_keys = unlock(case, upload=True)
        keyring = seal_keyring(root_key, env.key_id, env.key_version, UNHEX(case["keks"][0]))
        keyring, header = self.file("u.keyring", keyring), os.urandom(56)
        record = (2).to_bytes(4, "big") + (9).to_bytes(8, "big") + header + lp(b"")
        values = [("upload", bytes(24)), (2, header[:24])]
        cases.append({
            "case": "an upload", "root_key": "root", "keyring": keyring.name, "plaintext": None, "body": [],
            "name": dict(zip(("realm", "bucket", "key", "version_id"), case["name"])),
            "upload_id": case["name"][4],
            "envelope": self.file("u.envelope", UNHEX(case["envelope"])).name,
            "receipts": [{"sealed": self.file("u.receipt", seal(data_keys, bytes(24), "atrest/receipt", record)).name,
                          "number": 2, "len": 9, "label": ""}],
            "values": [{"name": "md5", "of": of, "value": "07",
                        "sealed": self.file(f"u.{of}", seal(data_keys, salt, "md5", b"\7")).name}
                       for of, salt in values]})

        store = key_store()
        self.file("store", seal_file(2, json.dumps(store).encode(), root_key))
        for mode in ("sse-s3", "sse-kms", "dsse-kms"):
            envelope, body = seal_under(store, mode, 1, plaintext(100))
            cases.append({
                "case": f"embedded {mode}", "root_key": "root", "key_store": "store",
                "name": {"bucket": KMS_NAME[1].hex(), "key": KMS_NAME[2].hex()},
                "inline": self.file(f"{mode}.inline", envelope + body).name,
                "plaintext": self.file("100", plaintext(100)).name})

        def checked(cases, status):
            self.file("cases.json", json.dumps(cases).encode())
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.assertEqual(check_cases.main(self.folder), status)
            return out.getvalue().splitlines()

        lines = checked(cases, 0)
        self.assertEqual((len(lines), lines[-1]), (70, "69 opened, 0 failed"))
        self.assertEqual(lines[-5], "ok   an upload: sse-s3, upload under way")
        self.assertEqual(lines[-2], "ok   embedded dsse-kms: dsse-kms, object")
        self.assertEqual(checked([], 1), ["0 opened, 0 failed"])
        of_parts = next(case for case in cases if case["receipts"])
        self.assertEqual(checked([{**cases[-1], "key_store": "0.keyring"}], 1)[-1], "0 opened, 1 failed")
        longer = self.file("longer", (self.folder / of_parts["plaintext"]).read_bytes() + b"!").name
        for field, wrong in [("plaintext", "root"), ("plaintext", longer), ("root_key", "cases.json"),
                             ("keyring", "no file"), ("name", None),
                             ("values", [{**of_parts["values"][0], "value": ""}]),
                             ("receipts", [{**of_parts["receipts"][0], "len": 7}]),
                             ("receipts", [{**of_parts["receipts"][0], "label": ""}])]:
            lines = checked([cases[0], {**of_parts, field: wrong}], 1)
            self.assertEqual(lines[-1], "1 opened, 1 failed", field)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
