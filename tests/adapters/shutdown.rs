//! How a writer of tokio ends.

use std::io::ErrorKind;
use std::pin::Pin;

use atrest::Error;
use atrest::error::Misuse;
use atrest::tokio::EncryptWriter;
use atrest_kit::polled::{Reluctant, polled};
use atrest_kit::{C, LENS, Service, plain};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{assert_no_object, assert_object, cause, encryptor, encryptor_of_len};

fn misuse(error: &std::io::Error) -> Misuse {
    match cause(error) {
        Error::Misuse(misuse) => *misuse,
        other => panic!("{other:?}"),
    }
}

fn sink() -> Reluctant {
    Reluctant::over([], 7_001)
}

#[test]
fn a_dropped_writer_leaves_no_object() {
    let service = Service::new();
    for len in LENS {
        for (envelope, encryptor) in [encryptor(&service), encryptor_of_len(&service, len)] {
            let mut writer = EncryptWriter::new(encryptor, sink());
            pollster::block_on(writer.write_all(&plain(len))).unwrap();
            pollster::block_on(writer.flush()).unwrap();
            let left = writer.into_inner();
            assert_no_object(&service, &envelope, &left.bytes);
            assert!(!left.calls.contains(&"shutdown"));
        }
    }
}

/// PITFALL: an upload that was aborted by closing its writer becomes a valid object.
#[test]
fn a_shutdown_seals_nothing_and_passes_nothing_on_but_names_finish() {
    let service = Service::new();
    for len in LENS {
        let (envelope, encryptor) = encryptor(&service);
        let mut writer = EncryptWriter::new(encryptor, sink());
        pollster::block_on(writer.write_all(&plain(len))).unwrap();
        let refused = pollster::block_on(writer.shutdown()).unwrap_err();
        assert_eq!(misuse(&refused), Misuse::NotFinished);
        assert!(refused.to_string().contains("finish"), "{refused}");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        for again in [
            pollster::block_on(writer.shutdown()).unwrap_err(),
            pollster::block_on(writer.write(b"more")).unwrap_err(),
            pollster::block_on(writer.flush()).unwrap_err(),
        ] {
            assert_eq!(again.to_string(), refused.to_string());
        }
        let left = writer.into_inner();
        assert_no_object(&service, &envelope, &left.bytes);
        assert!(!left.calls.contains(&"shutdown"), "the inner writer might make an object of it");
    }
}

#[test]
fn a_writer_that_was_shut_down_in_vain_cannot_be_finished() {
    let service = Service::new();
    let mut writer = EncryptWriter::new(encryptor(&service).1, sink());
    pollster::block_on(writer.shutdown()).unwrap_err();
    assert_eq!(misuse(&pollster::block_on(writer.finish()).unwrap_err()), Misuse::NotFinished);
}

#[test]
fn a_shutdown_seals_an_object_of_known_length_and_refuses_any_other_length() {
    let service = Service::new();
    for len in LENS {
        let (envelope, encryptor) = encryptor_of_len(&service, len);
        let mut writer = EncryptWriter::new(encryptor, sink().interrupting());
        pollster::block_on(writer.write_all(&plain(len))).unwrap();
        pollster::block_on(writer.shutdown()).unwrap();
        pollster::block_on(writer.shutdown()).unwrap();
        pollster::block_on(writer.flush()).unwrap();
        assert_eq!(misuse(&pollster::block_on(writer.write(b"more")).unwrap_err()), Misuse::Finished);
        assert_object(&service, &envelope, &writer.into_inner().bytes, len);

        let (envelope, encryptor) = encryptor_of_len(&service, len + 1);
        let mut writer = EncryptWriter::new(encryptor, sink());
        pollster::block_on(writer.write_all(&plain(len))).unwrap();
        for _ in 0..3 {
            assert_eq!(misuse(&pollster::block_on(writer.shutdown()).unwrap_err()), Misuse::PlaintextLen);
        }
        let left = writer.into_inner();
        assert_no_object(&service, &envelope, &left.bytes);
        assert!(!left.calls.contains(&"shutdown"));
    }
}

#[test]
fn a_plaintext_longer_than_was_said_is_an_error_for_ever() {
    let service = Service::new();
    let (envelope, encryptor) = encryptor_of_len(&service, C);
    let mut writer = EncryptWriter::new(encryptor, sink());
    let refused = pollster::block_on(writer.write_all(&plain(C + 1))).unwrap_err();
    assert_eq!(misuse(&refused), Misuse::PlaintextLen);
    assert_eq!(misuse(&pollster::block_on(writer.shutdown()).unwrap_err()), Misuse::PlaintextLen);
    assert_no_object(&service, &envelope, &writer.into_inner().bytes);
}

#[test]
fn a_writer_whose_type_says_so_seals_on_shutdown_and_may_be_finished_after_it() {
    let service = Service::new();
    for len in LENS {
        let (envelope, encryptor) = encryptor(&service);
        let mut writer = EncryptWriter::sealing_on_shutdown(encryptor, sink());
        pollster::block_on(writer.write_all(&plain(len))).unwrap();
        pollster::block_on(writer.shutdown()).unwrap();
        let (inner, finished) = pollster::block_on(writer.finish_part()).unwrap();
        assert_eq!(finished.plaintext_len, len as u64);
        assert_object(&service, &envelope, &inner.bytes, len);
    }
}

#[test]
fn a_copy_ends_no_object_until_it_is_finished() {
    let service = Service::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (plain, (envelope, encryptor)) = (plain(3 * C + 500), encryptor(&service));
    let mut writer = EncryptWriter::new(encryptor, sink());
    runtime.block_on(tokio::io::copy(&mut &plain[..], &mut writer)).unwrap();
    let inner = runtime.block_on(writer.finish()).unwrap();
    assert_object(&service, &envelope, &inner.bytes, plain.len());

    let (envelope, encryptor) = crate::encryptor(&service);
    let mut writer = EncryptWriter::new(encryptor, sink());
    runtime.block_on(tokio::io::copy(&mut &plain[..], &mut writer)).unwrap();
    assert_no_object(&service, &envelope, &writer.into_inner().bytes);
}

#[test]
fn a_writer_that_failed_goes_on_failing_and_does_not_finish() {
    let service = Service::new();
    for room in [0, 1, 56, 57, 20_000, 40_000, 65_656] {
        for most in [1, 7_001, 0] {
            let (_, encryptor) = encryptor(&service);
            let mut writer = EncryptWriter::new(encryptor, Reluctant::over([], most).failing_after(room));
            let first = pollster::block_on(writer.write_all(&plain(200_000))).unwrap_err();
            assert_eq!(first.kind(), ErrorKind::ConnectionReset);
            for again in [
                polled(|context| Pin::new(&mut writer).poll_write(context, b"more")).unwrap_err(),
                polled(|context| Pin::new(&mut writer).poll_flush(context)).unwrap_err(),
                polled(|context| Pin::new(&mut writer).poll_shutdown(context)).unwrap_err(),
            ] {
                assert_eq!((again.kind(), again.to_string()), (first.kind(), first.to_string()));
            }
            assert_eq!(pollster::block_on(writer.finish()).unwrap_err().to_string(), first.to_string());
            let (envelope, encryptor) = crate::encryptor(&service);
            let mut writer = EncryptWriter::new(encryptor, Reluctant::over([], most).failing_after(room));
            pollster::block_on(writer.write_all(&plain(200_000))).unwrap_err();
            let left = writer.into_inner();
            assert_eq!(left.bytes.len(), room, "everything before the error was passed on");
            assert_no_object(&service, &envelope, &left.bytes);
        }
    }
}

/// A writer that takes nothing.
struct Full;

impl AsyncWrite for Full {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn a_writer_that_takes_nothing_is_an_error_and_not_an_end() {
    let service = Service::new();
    let mut writer = EncryptWriter::new(encryptor(&service).1, Full);
    let refused = pollster::block_on(writer.write_all(&plain(200_000))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WriteZero);
    assert_eq!(pollster::block_on(writer.finish()).err().unwrap().kind(), ErrorKind::WriteZero);
}
