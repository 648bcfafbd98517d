//! Streams that fail, stop, or are dropped.

use std::io::{self, BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

use atrest::io::{DecryptAt, DecryptReader, EncryptWriter, ReadAt};
use atrest::{Encrypted, Error, SseS3};

use atrest_kit::{C, Service, name, plain};

fn cause(error: &io::Error) -> &Error {
    error.get_ref().and_then(|cause| cause.downcast_ref()).expect("an error of the library")
}

fn stored(service: &Service, len: usize) -> Encrypted {
    service.streamed(&name(), &SseS3.into(), &plain(len))
}

#[test]
fn a_dropped_writer_leaves_no_object() {
    let service = Service::new();
    for mode in service.modes() {
        for len in [0, 1, C - 1, C, C + 1, 2 * C, 3 * C + 500] {
            let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
            let mut left = Vec::new();
            let mut writer = EncryptWriter::new(encryptor, &mut left);
            writer.write_all(&plain(len)).unwrap();
            writer.flush().unwrap();
            drop(writer);
            let refused = service.decrypt(&name(), &Encrypted::new(envelope, left)).unwrap_err();
            assert!(matches!(refused, Error::Truncated | Error::Inauthentic), "{mode:?} {len}: {refused:?}");
        }
    }
}

/// A writer that takes this many bytes, and then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer whose every other flush is interrupted.
struct Interrupted(usize);

impl Write for Interrupted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0 += 1;
        if self.0.is_multiple_of(2) { Ok(()) } else { Err(ErrorKind::Interrupted.into()) }
    }
}

#[test]
fn an_interruption_is_never_remembered() {
    let service = Service::new();
    let (_, encryptor) = service.sse.blocking().encryptor(&name(), SseS3).unwrap();
    let mut writer = EncryptWriter::new(encryptor, Interrupted(0));
    writer.flush().unwrap();
    writer.write_all(b"meow").unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_writer_that_failed_goes_on_failing_and_does_not_finish() {
    let service = Service::new();
    for room in [0, 56, 57, 20_000, 40_000] {
        let (_, encryptor) = service.sse.blocking().encryptor(&name(), SseS3).unwrap();
        let mut writer = EncryptWriter::new(encryptor, Full(room));
        let first = writer.write_all(&plain(200_000)).unwrap_err();
        assert_eq!(first.kind(), ErrorKind::StorageFull);
        for again in [writer.write(b"more").unwrap_err(), writer.flush().unwrap_err(), writer.finish().err().unwrap()] {
            assert_eq!((again.kind(), again.to_string()), (first.kind(), first.to_string()));
        }
    }
}

/// PITFALL: after a failed read or seek the next read reports a clean end.
#[test]
fn a_reader_that_failed_fails_for_ever_by_read_and_by_seek() {
    let service = Service::new();
    let whole = stored(&service, 3 * C + 500);
    let last = whole.ciphertext.len() - 1;
    for damaged in [0, 30, 60, C, 2 * C, last] {
        let mut body = whole.ciphertext.clone();
        body[damaged] ^= 1;
        let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
        let mut reader = DecryptReader::new(decryptor, Cursor::new(body));
        let mut plaintext = Vec::new();
        let error = reader.read_to_end(&mut plaintext).unwrap_err();
        assert!(matches!(cause(&error), Error::Inauthentic), "{damaged}");
        assert!(plain(3 * C + 500).starts_with(&plaintext));
        let mut byte = [0; 1];
        for again in [
            reader.read(&mut byte).unwrap_err(),
            reader.read(&mut []).unwrap_err(),
            reader.seek(SeekFrom::Start(0)).unwrap_err(),
            reader.seek(SeekFrom::End(0)).unwrap_err(),
            reader.stream_position().unwrap_err(),
            reader.read(&mut byte).unwrap_err(),
        ] {
            assert_eq!(again.to_string(), error.to_string());
        }
    }
}

/// PITFALL: a failed `seek(End)` and then a read that gives `Ok(0)`; a seek past the end and then a read that panics.
#[test]
fn a_failed_seek_to_the_end_is_not_followed_by_a_clean_end() {
    let service = Service::new();
    let whole = stored(&service, 2 * C + 9);
    let mut body = whole.ciphertext.clone();
    *body.last_mut().unwrap() ^= 1;
    let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
    let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(body.clone()));
    assert!(reader.seek(SeekFrom::End(0)).is_err());
    assert!(reader.read(&mut [0; 10]).is_err());
    let mut reader = DecryptReader::new(decryptor, Cursor::new(body));
    reader.seek(SeekFrom::Start(u64::MAX)).unwrap();
    assert!(matches!(cause(&reader.read(&mut [0; 10]).unwrap_err()), Error::Inauthentic), "the end does not verify");
}

#[test]
fn a_truncated_body_is_an_error_wherever_it_is_cut_and_read_from() {
    let service = Service::new();
    let whole = stored(&service, 2 * C + 9);
    for cut in [0, 55, 56, 71, 72, C, C + 72, 2 * C + 88, 2 * C + 90, whole.ciphertext.len() - 1] {
        let body = &whole.ciphertext[..cut];
        for start in [0, 5, C as u64, 3 * C as u64] {
            let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
            let mut reader = DecryptReader::new(decryptor, Cursor::new(body));
            reader.seek(SeekFrom::Start(start)).unwrap();
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(matches!(cause(&error), Error::Truncated | Error::Inauthentic), "{cut} {start}");
        }
    }
}

/// A source that gives one byte at a time, and in between is interrupted or would block.
struct Reluctant<'a> {
    inner: Cursor<&'a [u8]>,
    calls: usize,
}

impl Read for Reluctant<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls % 3 {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => Err(ErrorKind::WouldBlock.into()),
            _ => {
                let one = buffer.len().min(1);
                self.inner.read(&mut buffer[..one])
            }
        }
    }
}

impl Seek for Reluctant<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.calls += 1;
        if self.calls.is_multiple_of(2) { Err(ErrorKind::Interrupted.into()) } else { self.inner.seek(to) }
    }
}

/// A source that lends a few bytes at once, and is interrupted at every call but each third.
struct Interrupting<'a>(Reluctant<'a>);

impl Read for Interrupting<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("its memory is lent")
    }
}

impl BufRead for Interrupting<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.calls += 1;
        if !self.0.calls.is_multiple_of(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let lent = self.0.inner.fill_buf()?;
        Ok(&lent[..lent.len().min(999)])
    }

    fn consume(&mut self, len: usize) {
        self.0.inner.consume(len);
    }
}

impl Seek for Interrupting<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// PITFALL: `fill_buf` is called twice, to satisfy the borrow checker, and the second call alone is interrupted. Stored,
/// that error makes `read_to_end` try for ever.
#[test]
fn a_source_that_lends_its_memory_may_be_interrupted_at_any_call() {
    let service = Service::new();
    let whole = stored(&service, 2 * C + 300);
    let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
    for calls in 0..6 {
        let inner = Interrupting(Reluctant { inner: Cursor::new(&whole.ciphertext), calls });
        let mut reader = DecryptReader::buffered(decryptor.clone(), inner);
        let mut plaintext = Vec::new();
        let mut piece = [0; 777];
        loop {
            // Not `read_to_end`, which would hide an interruption that is passed on, and hang on one that is stored.
            match reader.read(&mut piece).unwrap() {
                0 => break,
                read => plaintext.extend_from_slice(&piece[..read]),
            }
        }
        assert!(plaintext == plain(2 * C + 300));
        assert_eq!(reader.seek(SeekFrom::End(-9)).unwrap(), 2 * C as u64 + 291);
    }
}

/// PITFALL: a reader loses its state when a read would block.
#[test]
fn a_read_that_would_block_is_tried_again_and_loses_nothing() {
    let service = Service::new();
    let whole = stored(&service, C + 300);
    let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
    for start in [0, 200] {
        let inner = Reluctant { inner: Cursor::new(&whole.ciphertext), calls: 0 };
        let mut reader = DecryptReader::new(decryptor.clone(), inner);
        reader.seek(SeekFrom::Start(start)).unwrap();
        let (mut plaintext, mut piece) = (Vec::new(), [0; 777]);
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => plaintext.extend_from_slice(&piece[..read]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(plaintext, plain(C + 300)[start as usize..]);
    }
}

/// A source whose first read fails.
struct FailsOnce<'a>(&'a [u8], std::sync::atomic::AtomicBool);

impl ReadAt for FailsOnce<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.1.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return self.0.read_at(buffer, offset);
        }
        Err(ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn positional_reads_pass_on_what_the_source_gives_and_remember_what_is_not_authentic() {
    let service = Service::new();
    let whole = stored(&service, 2 * C);
    let decryptor = service.decryptor(&name(), &whole.envelope).unwrap();
    let body = 0..whole.ciphertext.len() as u64;
    let source = FailsOnce(&whole.ciphertext, false.into());
    let reader = DecryptAt::new(decryptor.clone(), source, body.clone());
    assert_eq!(reader.read_at(&mut [0; 4], 0).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(reader.read_at(&mut [0; 4], 0).unwrap(), 4);
    let eof = reader.read_exact_at(&mut [0; 4], 2 * C as u64 - 2).unwrap_err();
    assert_eq!(eof.kind(), ErrorKind::UnexpectedEof);

    let mut damaged = whole.ciphertext.clone();
    damaged[100] ^= 1;
    let reader = DecryptAt::new(decryptor.clone(), &damaged, body.clone());
    assert_eq!(reader.read_at(&mut [0; 4], C as u64).unwrap(), 4, "another chunk is sound");
    assert!(matches!(cause(&reader.read_at(&mut [0; 4], 0).unwrap_err()), Error::Inauthentic));
    assert!(reader.read_at(&mut [0; 4], C as u64).is_err() && reader.plaintext_len().is_err(), "it goes on failing");

    let short = DecryptAt::new(decryptor, &whole.ciphertext[..C], body);
    assert!(matches!(cause(&short.read_at(&mut [0; 4], C as u64).unwrap_err()), Error::Truncated));
}
