//! Invalid vectors are refused in every way, with their error class; all returned plaintext is authentic.

use atrest::error::Unexpected;
use atrest::{Backend, Decryptor, Envelope, EnvelopeState, Error, Expected, KmsKeys, ModeId, Result};

use super::cases::{Case, load, unlock};
use atrest_kit::{C, Steps, backends, class, fetch, plain, read_range, read_range_streamed};

/// Every case that must be refused as an object: all but those whose name has an upload's id, which no object has.
fn for_each(mut check: impl FnMut(&Case, Backend)) {
    let cases = load("reject.json");
    for case in cases.iter().filter(|case| case.upload_id().is_none() && case.runs_in_this_build()) {
        for backend in backends() {
            check(case, backend);
        }
    }
}

/// Cases that name an upload's id: the name of an object cannot state one, and that of an upload can.
#[test]
fn an_uploads_id_opens_an_upload_and_no_object() {
    let cases = load("reject.json");
    for case in cases.iter().filter(|case| case.upload_id().is_some()) {
        let (key, id) = (case.customer_key(), case.upload_id().unwrap());
        let envelope = Envelope::decode(case.envelope()).unwrap();
        for backend in backends() {
            let sse = case.sse(backend, None, None).blocking();
            let expected = Expected::new().with_modes([ModeId::SseS3]).with_kms_keys(KmsKeys::all());
            let resumed = sse.resume_multipart(&case.object(), id, &envelope, &expected, unlock(&key));
            let read = sse.decryptor(&case.object(), &envelope, unlock(&key));
            match envelope.state() {
                EnvelopeState::Upload => {
                    assert!(resumed.is_ok(), "{}: {resumed:?}", case.title);
                    assert_refused(case, read);
                    let other = [id, b"x"].concat();
                    let other = sse.resume_multipart(&case.object(), &other, &envelope, &expected, unlock(&key));
                    assert!(matches!(other, Err(Error::Inauthentic)), "{}: {other:?}", case.title);
                }
                _ => {
                    assert!(matches!(resumed, Err(Error::Unexpected(Unexpected::State))), "{resumed:?}");
                    assert!(read.is_ok(), "{}: without the id it is its name: {read:?}", case.title);
                }
            }
        }
    }
}

fn assert_refused<T>(case: &Case, result: Result<T>) {
    match result {
        Ok(_) => panic!("{}: not refused", case.title),
        Err(error) => assert!(case.expects(&class(&error)), "{}: {error:?}", case.title),
    }
}

/// A length that no case's plaintext reaches. The plaintext of each case is a prefix of this much plaintext.
const LEN: usize = 1 << 20;

#[test]
fn every_rejected_object_is_refused_in_every_way_and_gives_out_nothing_but_a_true_prefix() {
    let mut read_at_all = 0;
    for_each(|case, backend| {
        assert_refused(case, case.decrypt(backend));
        match case.body(backend, plain(LEN)) {
            Err(error) => assert_refused::<()>(case, Err(error)),
            Ok(body) => {
                for input in [1, 512, 777, C, 16_400, 16_401, 80_000] {
                    body.read_in_every_way(&case.body, &Steps::of(input), |way, read| match read {
                        Ok(_) if way.starts_with("range") && case.has_another_header() => {}
                        read => assert_refused(case, read),
                    });
                }
                read_at_all += 1;
            }
        }
    });
    assert!(read_at_all > 0, "no case is wrong in its body");
}

#[test]
fn a_range_of_a_rejected_object_is_refused_or_true() {
    for_each(|case, backend| {
        let Ok(decryptor) = case.decryptor(backend) else { return };
        for (start, end) in [(0, 1), (0, C), (C - 1, C + 1), (C, 2 * C), (1, 2 * C + 5), (2 * C, 2 * C + 1)] {
            let range = start as u64..end as u64;
            let steps = Steps::of(1_000);
            for read in [
                read_range(&decryptor, &case.body, range.clone()),
                read_range_streamed(&decryptor, &case.body, range.clone(), &steps).into_result(),
            ] {
                match read {
                    Ok(read) => assert!(plain(end)[start..].starts_with(&read), "{}: {range:?}", case.title),
                    Err(atrest::Error::RangeNotSatisfiable { .. }) => assert_end_is_true(case, &decryptor),
                    Err(error) => assert!(case.expects(&class(&error)), "{}: {range:?}: {error:?}", case.title),
                }
            }
        }
    });
}

/// Checks that the end of the object verifies, or that a manifest states it: "not satisfiable" states the length.
fn assert_end_is_true(case: &Case, decryptor: &Decryptor) {
    if case.is_multipart() {
        assert!(decryptor.plaintext_len().is_some(), "{}", case.title);
        return;
    }
    let len = case.body.len() as u64;
    let end = decryptor.end_fetch(len).unwrap();
    decryptor.verify_end(len, &fetch(&case.body, &[end])).unwrap_or_else(|error| panic!("{}: {error:?}", case.title));
}
