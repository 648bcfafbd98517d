//! Invalid lists of parts at completion.

use atrest::error::{Limit, PartError};
use atrest::multipart::{CompletedPart, Receipt};
use atrest::{Error, PartNumber, Result, SseS3};

use super::everywhere;
use atrest_kit::parts::{Part, attempt, number};
use atrest_kit::{C, Service, name};

fn part_error<T: std::fmt::Debug>(result: Result<T>) -> PartError {
    match result.expect_err("a list that is wrong") {
        Error::Part(error) => error,
        other => panic!("{other:?}"),
    }
}

fn is_inauthentic<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Inauthentic)), "{result:?}");
}

#[test]
fn a_list_of_no_parts_is_refused() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        assert_eq!(part_error(service.complete(&upload, &[])), PartError::None);
    });
}

#[test]
fn parts_that_are_listed_twice_or_out_of_order_are_refused() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let [one, two, three] = [1, 2, 3].map(|number| attempt(&upload, number, 0, 10));
        let again = attempt(&upload, 2, 1, 10);
        for (list, late) in [
            ([&two, &one, &three], 1),
            ([&one, &three, &two], 2),
            ([&one, &two, &two], 2),
            ([&one, &one, &two], 1),
            ([&one, &two, &again], 2),
        ] {
            let refused = service.complete(&upload, &list.map(Clone::clone));
            assert_eq!(part_error(refused), PartError::Order(late));
        }
        service.complete(&upload, &[one.clone(), three.clone()]).unwrap();
        service.complete(&upload, &[one, again, three]).unwrap();
    });
}

#[test]
fn a_receipt_is_of_its_number_and_label_alone() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let [one, two] = [1, 2].map(|number| attempt(&upload, number, 0, 10));
        let older = attempt(&upload, 2, 1, 10);
        let complete = |part: Part| service.complete(&upload, &[one.clone(), part]);
        assert_eq!(part_error(complete(Part { number: number(3), ..two.clone() })), PartError::Invalid(3));
        for label in [&b""[..], b"etag-2", b"etag-2-0 ", b"ETAG-2-0", &older.label] {
            let relabelled = Part { label: label.to_vec(), ..two.clone() };
            assert_eq!(part_error(complete(relabelled)), PartError::Invalid(2));
        }
        // The receipt of an older attempt, whose label differs, in place of the one that the client lists.
        assert_eq!(part_error(complete(Part { receipt: older.receipt, ..two.clone() })), PartError::Invalid(2));
        assert_eq!(part_error(complete(Part { receipt: one.receipt.clone(), ..two.clone() })), PartError::Invalid(2));
        complete(two).unwrap();
    });
}

/// The list is read from a request's XML, label by label, in one pass.
#[test]
fn a_list_of_parts_may_own_the_labels_that_it_names() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let parts = [1, 2].map(|number| attempt(&upload, number, 0, 10));
        let listed =
            parts.iter().map(|part| CompletedPart::new(part.number, part.label.clone(), &part.receipt, &part.stored));
        service.complete_list(&upload, listed).unwrap();
    });
}

#[test]
fn a_receipt_of_another_upload_is_inauthentic() {
    everywhere(|service, mode, object| {
        let [upload, other] = [0, 1].map(|_| service.begin(object, mode));
        let (part, foreign) = (attempt(&upload, 1, 0, 10), attempt(&other, 1, 0, 10));
        assert_eq!(part.label, foreign.label);
        is_inauthentic(service.complete(&upload, std::slice::from_ref(&foreign)));
        is_inauthentic(service.complete(&upload, &[Part { receipt: foreign.receipt.clone(), ..part.clone() }]));
        is_inauthentic(upload.open_receipt(&foreign.receipt));
        service.complete(&upload, &[part]).unwrap();
    });
}

#[test]
fn a_receipt_with_any_byte_changed_cut_or_added_is_inauthentic() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let part = attempt(&upload, 1, 0, 10);
        let bytes = part.receipt.as_bytes();
        let forged = |bytes: &[u8]| Receipt::from_bytes(bytes);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0x40;
            is_inauthentic(upload.open_receipt(&forged(&changed)));
            is_inauthentic(upload.open_receipt(&forged(&bytes[..at])));
        }
        is_inauthentic(upload.open_receipt(&forged(&[bytes, b"\0"].concat())));
        is_inauthentic(upload.open_receipt(&forged(&vec![1; 70_000])));
        is_inauthentic(service.complete(&upload, &[Part { receipt: forged(&[]), ..part.clone() }]));
        // A value of the caller's is no receipt, whatever stands in it.
        let value = upload.values().seal("receipt", &[0; 70]).unwrap();
        is_inauthentic(upload.open_receipt(&forged(value.as_bytes())));
    });
}

#[test]
fn what_is_stored_is_held_against_the_receipt() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let (part, older) = (attempt(&upload, 1, 0, C + 10), attempt(&upload, 1, 1, C + 10));
        let complete = |stored: &[u8]| {
            let listed = CompletedPart::new(part.number, &part.label, &part.receipt, stored);
            service.complete_list(&upload, [listed])
        };
        // Another attempt of the same length; too short, too long, nothing; a header that was changed.
        is_inauthentic(complete(&older.stored));
        is_inauthentic(complete(&part.stored[..part.stored.len() - 1]));
        is_inauthentic(complete(&[&part.stored[..], b"x"].concat()));
        is_inauthentic(complete(&part.stored[..55]));
        is_inauthentic(complete(&[]));
        for at in [0, 23, 24, 55] {
            let mut changed = part.stored.clone();
            changed[at] ^= 1;
            is_inauthentic(complete(&changed));
        }
        let header = part.stored.first_chunk().unwrap();
        let listed = |len| CompletedPart::stored(part.number, &part.label, &part.receipt, len, header);
        is_inauthentic(service.complete_list(&upload, [listed(part.stored.len() as u64 - 1)]));
        is_inauthentic(service.complete_list(&upload, [listed(u64::MAX)]));
        service.complete_list(&upload, [listed(part.stored.len() as u64)]).unwrap();
        complete(&part.stored).unwrap();
    });
}

#[test]
fn sixty_five_thousand_five_hundred_and_thirty_six_parts_are_taken_and_one_more_is_refused() {
    let service = Service::new();
    let upload = service.begin(&name(), &SseS3.into());
    let parts: Vec<_> = (1..=65_537)
        .map(|at| {
            let number = PartNumber::any(at * 3).unwrap();
            let (stored, receipt) = upload.encrypt_part(number, &at.to_be_bytes(), b"").unwrap();
            Part { number, label: vec![], receipt, stored, plain: at.to_be_bytes().to_vec() }
        })
        .collect();
    let refused = service.complete(&upload, &parts).map(|completed| completed.envelope);
    assert!(matches!(refused, Err(Error::LimitExceeded(Limit::Multipart))), "{refused:?}");
    let completed = service.complete(&upload, &parts[..65_536]).unwrap();
    assert_eq!((completed.envelope.parts(), completed.envelope.plaintext_len()), (Some(65_536), Some(4 * 65_536)));
    let reader = service.reader(&name(), &completed.envelope, &completed.manifest).unwrap();
    let last = PartNumber::any(65_536 * 3).unwrap();
    let info = reader.part(last).unwrap();
    assert_eq!(info.plaintext, 4 * 65_535..4 * 65_536);
    let part = reader.part_decryptor(last).unwrap();
    let read = atrest_kit::read_range(&part, &parts[65_535].stored, 0..4).unwrap();
    assert_eq!(read, 65_536_u32.to_be_bytes());
}

#[test]
fn a_completion_that_was_refused_may_be_tried_again() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let [one, two] = [1, 2].map(|number| attempt(&upload, number, 0, 10));
        assert!(service.complete(&upload, &[two.clone(), one.clone()]).is_err());
        assert!(service.complete(&upload, &[]).is_err());
        let completed = service.complete(&upload, &[one.clone(), two.clone()]).unwrap();
        let again = service.complete(&upload, &[one, two]).unwrap();
        assert_ne!(completed.envelope, again.envelope, "a fresh salt for every wrap");
        assert_ne!(completed.manifest, again.manifest, "a fresh salt for every manifest");
    }
}
