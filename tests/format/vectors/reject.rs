//! Invalid vectors are refused in every way, with their error class; all returned plaintext is authentic.

use atrest::error::Unexpected;
use atrest::{Backend, Decryptor, Envelope, Error, Expected, KmsKeys, ModeId, Result};

use super::cases::{Case, load, unlock};
use atrest_kit::kit::{
    C, Read, Steps, backends, class, fetch, plaintext, read_range, read_range_streamed, read_streamed,
};

/// All that is refused as an object: everything but what names an upload's id, which no object has.
fn for_each(mut check: impl FnMut(&Case, Backend)) {
    let cases = load("reject.json");
    assert_eq!(cases.len(), 180);
    let (of_uploads, checked): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.upload_id().is_some());
    assert_eq!((of_uploads.len(), checked.len()), (2, 178));
    assert_eq!(checked.iter().filter(|case| case.is_multipart()).count(), 23);
    for case in checked.into_iter().filter(|case| case.runs_in_this_build()) {
        for backend in backends() {
            check(case, backend);
        }
    }
}

/// The two cases that name an upload's id: as the name of an object there is no way to say it; as that of an upload
/// there is.
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
            match case.title.as_str() {
                "an upload under way read with its id" => {
                    assert!(resumed.is_ok(), "{resumed:?}");
                    assert_refused(case, read);
                    let other = sse.resume_multipart(&case.object(), b"upload-2", &envelope, &expected, unlock(&key));
                    assert!(matches!(other, Err(Error::Inauthentic)), "{other:?}");
                }
                "name with an upload id on an object" => {
                    assert!(matches!(resumed, Err(Error::Unexpected(Unexpected::State))), "{resumed:?}");
                    assert!(read.is_ok(), "without the id it is its name: {read:?}");
                }
                other => panic!("{other} names an upload's id"),
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

fn assert_true_prefix(case: &Case, read: &Read) {
    assert!(read.released == plaintext(read.released.len()), "{}", case.title);
}

#[test]
fn every_rejected_object_is_refused_in_one_shot() {
    for_each(|case, backend| assert_refused(case, case.decrypt(backend)));
}

#[test]
fn every_rejected_object_is_refused_streamed_and_gives_out_nothing_but_a_true_prefix() {
    for_each(|case, backend| match case.decryptor(backend) {
        Err(error) => assert_refused::<()>(case, Err(error)),
        Ok(decryptor) => {
            for input in [1, 512, C, 16_400, 16_401, 80_000] {
                let read = read_streamed(&decryptor, &case.body, &Steps::of(input));
                assert_true_prefix(case, &read);
                assert_refused(case, read.into_result());
            }
        }
    });
}

/// A range reader may leave the message's own header unread: the envelope has it too. So a body that is
/// wrong there alone opens by ranges, to the truth.
fn is_wrong_in_its_header_alone(case: &Case) -> bool {
    ["body salt changed", "body commitment changed"].contains(&case.title.as_str())
}

#[test]
fn every_rejected_object_is_refused_by_a_range_over_all_of_it() {
    let mut by_range = 0;
    for_each(|case, backend| match case.decryptor(backend) {
        Err(error) => assert_refused::<()>(case, Err(error)),
        Ok(decryptor) => {
            let whole = read_range(&decryptor, &case.body, 0..);
            let streamed = read_range_streamed(&decryptor, &case.body, 0.., &Steps::of(777));
            assert_true_prefix(case, &streamed);
            for result in [whole, streamed.into_result()] {
                match result {
                    Ok(read) if is_wrong_in_its_header_alone(case) => assert_eq!(read, plaintext(read.len())),
                    result => assert_refused(case, result),
                }
            }
            by_range += 1;
        }
    });
    // All that is wrong with these is found in the body, or in the list of its parts; one of them is DSSE-KMS.
    let dsse = usize::from(Backend::available().count() > 1);
    assert_eq!(by_range, (15 + 6 + dsse) * backends().len());
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
                    Ok(read) => assert!(plaintext(end)[start..].starts_with(&read), "{}: {range:?}", case.title),
                    Err(atrest::Error::RangeNotSatisfiable { .. }) => assert_end_is_true(case, &decryptor),
                    Err(error) => assert!(case.expects(&class(&error)), "{}: {range:?}: {error:?}", case.title),
                }
            }
        }
    });
}

/// Whoever says "not satisfiable" has verified where the object ends, or a manifest says it.
fn assert_end_is_true(case: &Case, decryptor: &Decryptor) {
    if case.is_multipart() {
        assert!(decryptor.plaintext_len().is_some(), "{}", case.title);
        return;
    }
    let len = case.body.len() as u64;
    let end = decryptor.end_fetch(len).unwrap();
    decryptor.verify_end(len, &fetch(&case.body, &[end])).unwrap_or_else(|error| panic!("{}: {error:?}", case.title));
}
