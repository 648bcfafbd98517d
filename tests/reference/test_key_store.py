"""The program `atrest.py` against key stores of the embedded KMS."""
import base64
import json
import re
import unittest

import atrest
from kit import (CAT, KMS_KEYS, PASSPHRASE, TESTS, ProgramTest, key_of, key_store, kms_key_id, plaintext, seal_file,
                 seal_keyring, seal_under)


class KeyStores(ProgramTest):
    def sealed_store(self, store):
        return self.file("store.atrest", seal_file(2, json.dumps(store).encode(), b"r" * 32))

    def under(self, store, mode, number, size=20_000, **more):
        """The arguments that open an object under a key of the store, but for the KMS key that is accepted."""
        envelope, body = seal_under(store, mode, number, plaintext(size), **more)
        return ["open", "--envelope", self.file("envelope", envelope), "--body", self.file("body", body),
                *(["--unbound"] if "name" in more else CAT), "--out", self.out, "--key-store", self.sealed_store(store),
                "--root-key", self.file("root", b"r" * 32)]

    def test_objects_open_through_a_key_store(self):
        store = key_store()
        for mode in ("sse-s3", "sse-kms", "dsse-kms"):
            for more in ({}, {"name": None}):
                args = self.under(store, mode, 1, **more)
                accepted = [] if mode == "sse-s3" else ["--kms-key", kms_key_id(1)]
                if accepted:
                    self.assert_refused("Unexpected", *args)
                    self.assert_refused("Unexpected", *args, "--kms-key", kms_key_id(2))
                    self.assert_refused("Unexpected", *args, "--kms-key", "alias/app")
                self.assertIn(f"20000 bytes, {mode}", self.program(*args, *accepted, "--min-generation", 17))
                self.assertEqual((self.out.read_bytes(), self.notes), (plaintext(20_000), []))
                self.out.unlink()
                self.assert_refused("Unexpected", *args, *accepted, "--min-generation", 18)
                self.assert_refused("Unexpected", *args, *accepted, "--key-id", "another")
                self.assert_refused("Misuse", *args, *accepted, "--master-key", self.folder / "root")
        args = [*self.under(store, "sse-kms", 1, version=1), "--any-kms-key"]
        self.program(*args)
        self.assertEqual(self.out.read_bytes(), plaintext(20_000))

    def test_a_key_store_under_a_passphrase_opens(self):
        store = key_store()
        args = [*self.under(store, "dsse-kms", 1)[:-2], "--any-kms-key"]
        self.file("store.atrest", seal_file(2, json.dumps(store).encode(), None, PASSPHRASE.encode()))
        passphrase = self.file("passphrase", PASSPHRASE.encode() + b"\n")
        self.program(*args, "--passphrase", passphrase)
        self.assertEqual(self.out.read_bytes(), plaintext(20_000))
        self.out.unlink()
        self.assert_refused("WrongRootKey", *args, "--passphrase", self.file("wrong", b"golden passphrase e"))
        self.assert_refused("WrongRootKey", *args, "--root-key", self.folder / "root")
        self.assert_refused("Misuse: --root-key is missing", *args)

    def test_a_keyring_of_its_own_goes_before_that_of_the_key_store(self):
        store = key_store()
        args = [*self.under(store, "dsse-kms", 1), "--any-kms-key"]
        elsewhere = {**store, "keyring": {**store["keyring"], "key_id": "another"}}
        self.sealed_store(elsewhere)
        self.assert_refused("Unexpected", *args)
        keyring = seal_keyring(b"r" * 32, "atrest-7", 2, key_of(store["keyring"], 2))
        self.program(*args, "--keyring", self.file("keyring", keyring), "--key-id", "atrest-7")
        self.assertEqual(self.out.read_bytes(), plaintext(20_000))

    def test_kms_keys_that_a_service_would_refuse_open_and_are_named(self):
        store = key_store()
        for number, state in [(1, None), (2, "disabled"), (3, "pending-deletion")]:
            for mode in ("sse-kms", "dsse-kms"):
                self.program(*self.under(store, mode, number), "--any-kms-key")
                self.assertEqual(self.out.read_bytes(), plaintext(20_000))
                self.out.unlink()
                named = f"note: KMS key '{kms_key_id(number)}' is {state}, a service would refuse it\n"
                self.assertEqual(self.notes, [named] if state else [])

    def test_a_kms_key_or_version_that_the_key_store_lacks_is_of_the_key_provider(self):
        store = key_store()
        for mode in ("sse-kms", "dsse-kms"):
            args = [*self.under(store, mode, 1), "--any-kms-key"]
            self.sealed_store({**store, "keys": store["keys"][1:], "aliases": {}})
            self.assert_refused("KeyProvider: .*--key-store", *args)
            first = {**store["keys"][0], "versions": store["keys"][0]["versions"][:1]}
            self.sealed_store({**store, "keys": [first, *store["keys"][1:]]})
            self.assert_refused("KeyProvider: .*no version 2", *args)
            other = {**first, "versions": key_store()["keys"][0]["versions"]}
            self.sealed_store({**store, "keys": [other, *store["keys"][1:]]})
            self.assert_refused("Inauthentic", *args)
        self.assert_refused("KeyProvider: version 1 of the keyring is disabled",
                            *self.under(store, "sse-s3", 1, version=1))

    def test_a_key_store_is_shown_without_its_keys(self):
        store = key_store()
        args = ["key-store", "--root-key", self.file("root", b"r" * 32), "--key-store", self.sealed_store(store)]
        shown = self.program(*args)
        for holder in [store["keyring"], *store["keys"]]:
            for version in holder["versions"]:
                self.assertNotIn(version["key"][:8], shown)
        shown = json.loads(shown)
        self.assertEqual({key_id: key["state"] for key_id, key in shown["keys"].items()},
                         dict(zip(map(kms_key_id, KMS_KEYS), ["enabled", "disabled", "pending-deletion"])))
        self.assertEqual(shown["aliases"], store["aliases"])
        self.assertEqual(shown["keyring"]["versions"][0],
                         {"version": 1, "state": "disabled", "created_ms": 1_795_280_404_123})
        self.assertEqual(shown["keys"][kms_key_id(1)]["versions"][1],
                         {"version": 2, "origin": "generated", "created_ms": 1_795_280_404_123})
        self.assert_refused("Unsupported", "keyring", *args[1:3], "--keyring", self.folder / "store.atrest")
        self.file("store.atrest", seal_keyring(b"r" * 32, "key", 1, bytes(32)))
        self.assert_refused("Unsupported", *args)

    def test_the_key_store_that_the_page_format_shows_opens(self):
        page = (TESTS.parent / "src" / "manual" / "format.md").read_text(encoding="utf-8")
        shown = re.search(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
        shown = shown.replace("in base64", base64.b64encode(b"k" * 32).decode())
        store = atrest.open_key_store(seal_file(2, shown.encode(), b"r" * 32), b"r" * 32)
        self.assertEqual([key["state"] for key in store["keys"].values()], ["pending-deletion"])

    def test_a_key_store_that_breaks_a_rule_is_refused(self):
        def refused(payload, kind="Malformed", why=None):
            with self.subTest(why or payload[:100]):
                self.refused(kind, atrest.open_key_store, seal_file(2, payload, b"r" * 32), b"r" * 32)

        def opens(store):
            atrest.open_key_store(seal_file(2, json.dumps(store).encode(), b"r" * 32), b"r" * 32)

        def places(value, path=()):
            """All members and items, however deep."""
            for at in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
                yield (*path, at)
                yield from places(value[at], (*path, at))

        def changed(path, change):
            store = holder = json.loads(json.dumps(whole))
            for at in path[:-1]:
                holder = holder[at]
            change(holder, path[-1])
            return json.dumps(store).encode()

        def set_to(value):
            return lambda holder, at: holder.__setitem__(at, value)

        whole, members = key_store(), 0
        opens(whole)
        opens({**whole, "keys": [], "aliases": {}})
        optional = {"rotation_days", "policy", "quota", "team", "alias/app", "alias/aws/s3"}
        for path in places(whole):
            for wrong in (None, 1.5, -1, [[]]):
                refused(changed(path, set_to(wrong)), why=(path, wrong))
            if isinstance(path[-1], str):
                members += 1
                if path[-1] in optional:
                    opens(json.loads(changed(path, dict.__delitem__)))
                else:
                    refused(changed(path, dict.__delitem__), why=path)
        self.assertEqual(members, 79)
        key, version, ring = ("keys", 0), ("keys", 0, "versions", 0), ("keyring",)
        for path, value in [
                (("version",), 2**64), (("version",), "1"), (("version",), True),
                (("id",), whole["id"].upper()), (("id",), whole["id"] + "\n"), (("id",), "6b3c"),
                (("generation",), 2**64), (("generation",), True), (("written",), "1"), (("owner",), "\ud800"),
                (("region",), "a:b"), (("region",), ""), (("account",), "1" * 65), (("more",), 1),
                ((*key, "more"), ""), ((*key, "state"), "staged"), ((*key, "state"), "pending-deletion"),
                ((*key, "deletion"), 1),
                (("keys",), whole["keys"][::-1]), (("keys",), whole["keys"] + whole["keys"][2:]),
                ((*key, "rotation_days"), 0), ((*key, "rotation_days"), 2**32), ((*key, "tags"), {"a": 1}),
                ((*key, "policy", "unwrap"), "alice"), ((*key, "policy", "more"), []), ((*key, "policy"), {}),
                ((*key, "quota", "burst"), 0), ((*key, "versions"), []),
                ((*version, "number"), 0), ((*version, "number"), 2), ((*version, "number"), 3),
                ((*version, "number"), 2**32), ((*version, "origin"), "found"), ((*version, "more"), 1),
                ((*version, "key"), base64.b64encode(bytes(31)).decode()),
                ((*version, "key"), base64.b64encode(bytes(33)).decode()),
                ((*version, "key"), "A" * 43), ((*version, "key"), "A" * 42 + "B="),
                ((*version, "key"), "_" * 43 + "="),
                ((*ring, "key_id"), ""), ((*ring, "key_id"), "\n"), ((*ring, "key_id"), "k" * 2_049),
                ((*ring, "primary"), 1), ((*ring, "primary"), 3), ((*ring, "next_version"), 2),
                ((*ring, "versions"), []), ((*ring, "versions", 0, "number"), 2),
                ((*ring, "versions", 0, "state"), "retired"),
                (("aliases", "alias/"), KMS_KEYS[1]), (("aliases", "app"), KMS_KEYS[1]),
                (("aliases", "alias/" + "a" * 251), KMS_KEYS[1]), (("aliases", "alias/\u00e9"), KMS_KEYS[1]),
                (("aliases", "alias/app"), "00000000-0000-4000-8000-000000000009")]:
            refused(changed(path, set_to(value)), why=(path, value))
        for newer in (2, 0, 2**64 - 1):
            refused(changed(("version",), set_to(newer)), "Unsupported")
        refused(json.dumps({"version": 2}).encode(), "Unsupported")
        sound = json.dumps(whole)
        for payload in ["", "{}", "[]", "1", "null", sound[:-1], sound + "1", "\ufeff" + sound, "[" * 100_000,
                        sound.replace('"owner"', '"owner": "service", "owner"'),
                        sound.replace('"team"', '"team": "", "team"'),
                        sound.replace('"generation": 17', '"generation": 17.0'),
                        sound.replace('"generation": 17', '"generation": ' + "9" * 5_000)]:
            self.assertNotEqual(payload, sound)
            refused(payload.encode())
        refused(sound.encode("utf-16"))
        refused(sound.encode().replace(b"service", b"\xff"))
        sealed = seal_file(2, sound.encode(), b"r" * 32)
        for at in range(len(sealed)):
            damaged = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1:]
            kinds = "NotASealedFile|Unsupported|WrongRootKey|Inauthentic"
            self.refused(kinds, atrest.open_key_store, damaged, b"r" * 32)
            self.refused(kinds + "|Malformed", atrest.open_key_store, sealed[:at], b"r" * 32)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
