//! An object as the store gives it back, changed in any way: in one shot and streamed in odd pieces it is the same
//! object or the same refusal, and a stream that has failed goes on failing.
//!
//! A case is `u8 backend | u8 pieces | LP(realm) | LP(bucket) | LP(key) | LP(version id) | u8 two keys | key-encryption
//! keys, the outer one first | LP(envelope) | body`. The seeds are the objects of the vectors.

#![no_main]

use std::mem::discriminant;

use atrest::error::Misuse;
use atrest::{CustomerKey, Decryptor, Encrypted, Envelope, Error, ModeId, ObjectName, PlaintextReader, Unlock};
use atrest_fuzz::{Input, Pieces, sse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let backend = atrest_fuzz::backend(input.u8()?);
    let pieces = input.u8()?;
    let [realm, bucket, key, version_id] = [input.prefixed()?, input.prefixed()?, input.prefixed()?, input.prefixed()?];
    let object = if bucket.is_empty() {
        ObjectName::unbound()
    } else {
        ObjectName::new(bucket, key).ok()?.with_realm(realm).ok()?.with_version_id(version_id).ok()?
    };
    let two_keys = input.u8()? & 1 == 1;
    let outer = input.array()?;
    let inner = if two_keys { input.array()? } else { outer };
    let envelope = Envelope::decode(input.prefixed()?).ok()?;
    let body = input.0;

    let sse = sse(backend, envelope.key_id().unwrap_or("none"), envelope.key_version().unwrap_or(1), outer, inner)?;
    let customer_key = CustomerKey::from_bytes(&mut outer.clone()).unwrap();
    let unlock = match envelope.mode() {
        ModeId::SseC => Unlock::CustomerKey(&customer_key),
        _ => Unlock::Server,
    };

    let encrypted = Encrypted::new(envelope.clone(), body.to_vec());
    let whole = sse.blocking().decrypt(&object, &encrypted, unlock);
    let decryptor = match sse.blocking().decryptor(&object, &envelope, unlock) {
        Ok(decryptor) => decryptor,
        Err(error) => {
            assert_same_refusal(&whole.expect_err("no decryptor, no plaintext"), &error);
            return Some(());
        }
    };
    let mut given = Vec::new();
    let streamed = stream(&decryptor, body, Pieces::new(pieces), &mut given);
    match (&whole, &streamed) {
        (Ok(plaintext), Ok(())) => {
            assert_eq!(&given, plaintext);
            assert_lengths(&envelope, body, plaintext);
        }
        (Err(one), Err(other)) => assert_same_refusal(one, other),
        _ => panic!("in one shot {:?}, streamed {streamed:?}", whole.map(|plaintext| plaintext.len())),
    }
    let mut pushed = bytes_mut(&decryptor, body, Pieces::new(pieces.wrapping_add(1)));
    if let Ok(pushed) = &mut pushed {
        assert_eq!(Some(&pushed[..]), whole.as_deref().ok());
    } else {
        assert!(whole.is_err());
    }
    Some(())
}

/// Feeds odd pieces, each first into an output that is too short.
fn stream(decryptor: &Decryptor, body: &[u8], mut pieces: Pieces, given: &mut Vec<u8>) -> Result<(), Error> {
    let mut reader = decryptor.sequential();
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next_len().min(rest.len()));
        let mut output = vec![0; reader.update_len(piece.len())];
        if let Some((_, short)) = output.split_last_mut() {
            assert!(matches!(reader.update(piece, short), Err(Error::Misuse(Misuse::OutputTooSmall))));
        }
        match reader.update(piece, &mut output) {
            Ok(written) => assert_eq!(written, output.len()),
            Err(error) => {
                assert!(output.iter().all(|byte| *byte == 0), "what failed is wiped");
                assert_sticky(reader, body, &error);
                return Err(error);
            }
        }
        given.extend_from_slice(&output);
        rest = behind;
    }
    let mut output = vec![0; reader.finish_len()];
    let written = reader.finish(&mut output)?;
    assert_eq!(written, output.len());
    given.extend_from_slice(&output);
    Ok(())
}

/// Feeds odd pieces by `push` and by `open_in_place`.
fn bytes_mut(decryptor: &Decryptor, body: &[u8], mut pieces: Pieces) -> Result<bytes::BytesMut, Error> {
    let mut reader = decryptor.sequential();
    let mut output = bytes::BytesMut::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next_len().min(rest.len()));
        if piece.len() % 2 == 0 {
            reader.push(piece, &mut output)?;
        } else {
            let mut opened = Vec::<bytes::Bytes>::new();
            reader.open_in_place(&mut bytes::BytesMut::from(piece), &mut opened)?;
            opened.iter().for_each(|piece| output.extend_from_slice(piece));
        }
        rest = behind;
    }
    reader.finish_into(&mut output)?;
    Ok(output)
}

/// A reader that has failed goes on failing, and never reports a clean end.
fn assert_sticky(mut reader: PlaintextReader, body: &[u8], error: &Error) {
    let mut output = vec![0; 40_000];
    for again in [body, &[], &[0], body] {
        let after = reader.update(again, &mut output).expect_err("it had failed");
        assert_eq!(discriminant(&after), discriminant(error));
        assert_eq!(after.to_string(), error.to_string());
    }
    let after = reader.finish(&mut output).expect_err("it had failed");
    assert_eq!(after.to_string(), error.to_string());
}

/// Where an object is both cut and changed, either of the two errors will do.
fn assert_same_refusal(one: &Error, other: &Error) {
    let stored = |error: &Error| matches!(error, Error::Inauthentic | Error::Truncated);
    assert!(
        (stored(one) && stored(other)) || one.to_string() == other.to_string(),
        "{one:?} in one shot, {other:?} streamed"
    );
}

fn assert_lengths(envelope: &Envelope, body: &[u8], plaintext: &[u8]) {
    let (body, plaintext) = (body.len() as u64, plaintext.len() as u64);
    assert_eq!(envelope.mode().ciphertext_len(plaintext), Some(body));
    assert_eq!(envelope.mode().plaintext_len(body), Some(plaintext));
    assert!(envelope.plaintext_len().is_none_or(|len| len == plaintext));
}
