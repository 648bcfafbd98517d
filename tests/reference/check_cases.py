#!/usr/bin/env python3
"""Opens with atrest.py everything that FOLDER/cases.json lists, and compares it with what is said to be in there.

python3 tests/reference/check_cases.py FOLDER
"""
import json
import os
import sys

from atrest import (ANY, MODES, STATES, Keys, Record, Refused, Stored, check_name, load, need, open_key_store,
                    open_keyring, open_object, open_receipt, open_value, read_file, read_key, salt_of)


def main(folder):
    with open(os.path.join(folder, "cases.json"), "rb") as file:
        cases = json.load(file)
    failed = 0
    for case in cases:
        try:
            print(f"ok   {case['case']}: {check(case, lambda name: name and os.path.join(folder, name))}")
        except (Refused, OSError, KeyError, TypeError, ValueError) as error:
            print(f"FAIL {case['case']}: {error!r}")
            failed += 1
    print(f"{len(cases) - failed} opened, {failed} failed")
    return 0 if cases and not failed else 1


def check(case, path):
    root_key, passphrase = (read(path(case[key])) if case.get(key) else None
                            for key, read in (("root_key", read_key), ("passphrase", read_file)))
    embedded = {}
    if "key_store" in case:
        key_store = open_key_store(read_file(path(case["key_store"]), 1 << 30), root_key, passphrase)
        keyring, embedded = key_store["keyring"], key_store["keys"]
    else:
        keyring = open_keyring(read_file(path(case["keyring"])), root_key, passphrase)
    kek, customer_key = (read_key(path(case[key])) if case.get(key) else None for key in ("kek", "customer_key"))
    upload_id, name, plaintext = case.get("upload_id"), case.get("name"), case.get("plaintext")
    if name:
        parts = [name.get(part) or "" for part in ("realm", "bucket", "key", "version_id")] + [upload_id or ""]
        name = check_name(tuple(map(bytes.fromhex, parts)))
    stored = {part: path(case.get(part)) for part in ("envelope", "manifest", "inline", "trailer")}
    stored["body"] = [path(file) for file in case.get("body") or ()]
    stored["store"] = case.get("store")
    upload = upload_id is not None or not plaintext
    keys = Keys(keyring, kek, customer_key, ANY, embedded=embedded)
    if "record" in case:
        record = Record(read_file(path(case["record"]), 1 << 26))
        compare(record.finish(name, keys, Stored(*stored["body"])), path(plaintext))
        return "sse-c, completed without the key"
    env, data_keys, manifest, body = load(keys, name or None, upload, **stored)
    if plaintext:
        compare(open_object(env, data_keys, body, manifest), path(plaintext))
    receipts = {}
    for stated in case.get("receipts") or ():
        receipt = receipts[stated["number"]] = open_receipt(data_keys, read_file(path(stated["sealed"])))
        found = [receipt["number"], receipt["len"], receipt["label"].hex()]
        need(found == [stated["number"], stated["len"], stated["label"]], "Differs", f"the receipt says {found}")
    for stated in case.get("values") or ():
        of = salt_of(stated["of"], env, data_keys, manifest, receipts.get(stated["of"]))
        value = open_value(data_keys, of, stated["name"], read_file(path(stated["sealed"])))
        need(value.hex() == stated["value"], "Differs", f"the value {stated['name']!r} of {stated['of']}")
    return f"{MODES[env.mode]}, {STATES[env.state]}"


def compare(opened, plaintext):
    with open(plaintext, "rb") as expected:
        for piece in opened.whole():
            need(piece == expected.read(len(piece)), "Differs", f"the plaintext before byte {expected.tell()}")
        need(not expected.read(1), "Differs", "the plaintext is shorter than expected")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
