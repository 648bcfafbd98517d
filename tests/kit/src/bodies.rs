//! `Body`: a stored body with its plaintext, and the tables of the ways to write and to read one.
//!
//! A new adapter is one row of [`WRITERS`], [`READERS`] or [`RANGE_READERS`]. The boundary table, the vectors and the
//! tamper tests all read through these tables, sound bodies and damaged ones alike.

use std::io::{self, BufReader, Cursor, Read as _, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;

use atrest::io::{DecryptAt, DecryptReader, EncryptWriter};
use atrest::{
    AnyMode, ByteRange, CustomerKey, Decryptor, Encrypted, Encryptor, Error, Finished, ObjectName, PlaintextReader,
    RangePlan, Result, Sse, Unlock,
};
use bytes::{Bytes, BytesMut};

use crate::parts::{Part, Stored, number};
use crate::polled;
use crate::service::{Service, name};
use crate::streams::{
    C, LENS, Read, STEPS, Steps, class, fetch, plain, read_range_streamed, read_streamed, seal_finished,
};

/// A stored body, the keys that open it, and its plaintext.
pub struct Body {
    /// Names the body in messages.
    pub what: String,
    pub sse: Sse,
    pub object: ObjectName,
    pub customer_key: Option<Arc<CustomerKey>>,
    pub stored: Encrypted,
    pub plain: Vec<u8>,
    pub decryptor: Decryptor,
}

/// A way to write a body: its name, and a function that encrypts in steps of that length.
pub type Writer = (&'static str, WriteBody);

/// A way to read a body from its beginning to its end: its name, and a function that reads stored bytes in steps.
pub type Reader = (&'static str, fn(&Body, &[u8], &Steps) -> Read);

/// A way to read a range: its name, and a function that reads a range of stored bytes in
/// steps.
pub type RangeReader = (&'static str, fn(&Body, &[u8], ByteRange, &Steps) -> Read);

/// Every way to write a body as a stream.
pub const WRITERS: [Writer; 6] = [
    ("update", seal_finished),
    ("push", pushed_in),
    ("EncryptWriter", through_writer),
    ("EncryptWriter of tokio", polled::written_by_tokio),
    ("EncryptStream", polled::streamed_in),
    ("EncryptBody", polled::embodied),
];

/// Every way to read a body from its beginning to its end. A way whose name begins with "range" reads no header of a
/// message, because the envelope has it.
pub const READERS: [Reader; 14] = [
    ("one shot", |body, stored, _| {
        Read::of(body.sse.blocking().decrypt(&body.object, &body.with(stored), body.unlock()))
    }),
    ("one shot, async", |body, stored, _| {
        Read::of(pollster::block_on(body.sse.decrypt(&body.object, &body.with(stored), body.unlock())))
    }),
    ("one shot, into", decrypted_whole_into),
    ("update", |body, stored, steps| read_streamed(&body.decryptor, stored, steps)),
    ("push", pushed_out),
    ("in place", |body, stored, steps| read_in_place(body.decryptor.sequential(), stored, steps)),
    ("DecryptReader", |body, stored, steps| {
        through_reader(DecryptReader::new(body.decryptor.clone(), Cursor::new(stored)), steps)
    }),
    ("DecryptReader, lent all", |body, stored, steps| {
        through_reader(DecryptReader::buffered(body.decryptor.clone(), Cursor::new(stored)), steps)
    }),
    ("DecryptReader, lent little", |body, stored, steps| {
        let source = BufReader::with_capacity(7_001, Cursor::new(stored));
        through_reader(DecryptReader::buffered(body.decryptor.clone(), source), steps)
    }),
    ("range, DecryptAt in steps", at_offsets),
    ("DecryptReader of tokio", polled::read_by_tokio),
    ("SequentialReader", polled::read_in_order),
    ("DecryptStream", polled::streamed_out),
    ("DecryptBody", polled::disembodied),
];

/// Every way to read a range.
pub const RANGE_READERS: [RangeReader; 11] = [
    ("range, decrypt", |body, stored, range, _| {
        Read::of(body.plan(stored, range).and_then(|plan| plan.decrypt(&fetch(stored, plan.fetches()))))
    }),
    ("range, decrypt_pieces", |body, stored, range, steps| {
        Read::of(body.plan(stored, range).and_then(|plan| plan.decrypt_pieces(pieces(&plan, stored, steps))))
    }),
    ("range, decrypt_into", |body, stored, range, steps| {
        Read::of(body.plan(stored, range).and_then(|plan| decrypted_into(&plan, stored, steps)))
    }),
    ("range, reader", |body, stored, range, steps| read_range_streamed(&body.decryptor, stored, range, steps)),
    ("range, reader in place", |body, stored, range, steps| match body.plan(stored, range) {
        Ok(plan) => read_in_place(plan.reader(), &fetch(stored, plan.fetches()), steps),
        Err(error) => Read::of(Err(error)),
    }),
    ("range, DecryptReader", |body, stored, range, _| {
        body.adapted(stored, range, |Range { start, end }| {
            let mut reader = DecryptReader::new(body.decryptor.clone(), Cursor::new(stored));
            reader.seek(SeekFrom::Start(start))?;
            let mut read = Vec::new();
            reader.take(end - start).read_to_end(&mut read).map(|_| read)
        })
    }),
    ("range, DecryptAt", |body, stored, range, _| {
        body.adapted(stored, range, |Range { start, end }| {
            let reader = DecryptAt::new(body.decryptor.clone(), stored, 0..stored.len() as u64);
            let mut read = vec![0; (end - start) as usize];
            reader.read_exact_at(&mut read, start).map(|()| read)
        })
    }),
    ("range, DecryptReader of tokio", polled::range_by_tokio),
    ("range, SequentialReader", polled::range_in_order),
    ("range, DecryptStream", polled::range_streamed),
    ("range, DecryptBody", polled::range_embodied),
];

/// The steps of the boundary table for a body of `len` bytes. One byte at a time takes long over many chunks, so it is
/// tried only where a chunk ends.
pub fn steps(len: usize) -> impl Iterator<Item = usize> {
    STEPS.into_iter().filter(move |step| *step > 1 || len <= C + 1)
}

/// Calls `check` with a body of each mode and of each length of the boundary table: one message whose length the
/// envelope states, one whose length it does not state, and parts, of which one is empty.
pub fn for_every_body(service: &Service, mut check: impl FnMut(&Body)) {
    for mode in service.modes() {
        for len in LENS {
            let plain = plain(len);
            let known = service.sse.blocking().encrypt(&name(), mode.clone(), &plain).unwrap();
            check(&Body::open(format!("{mode:?} of {len}"), service, &name(), known, plain.clone()));
            let streamed = service.streamed(&name(), &mode, &plain);
            check(&Body::open(format!("{mode:?} of {len}, streamed"), service, &name(), streamed, plain));
            let parts = service.put(&name(), &mode, &[(1, len), (2, 0), (7, len)]);
            check(&Body::of_parts(format!("{mode:?} of parts of {len}"), service, &name(), &parts));
        }
    }
}

/// Calls `check` with each body that each way of [`WRITERS`] writes, at each length and step of the boundary table.
pub fn for_every_written_body(service: &Service, mut check: impl FnMut(&Body)) {
    for mode in service.modes() {
        for (way, write) in WRITERS {
            for (len, step) in LENS.into_iter().flat_map(|len| steps(len).map(move |step| (len, step))) {
                let what = format!("{mode:?} of {len} by {way} in steps of {step}");
                let (envelope, encryptor) = service.sse.blocking().encryptor(&name(), mode.clone()).unwrap();
                let (stored, finished) = write(encryptor, &plain(len), step);
                assert_eq!(finished.plaintext_len, len as u64, "{what}");
                check(&Body::open(what.clone(), service, &name(), Encrypted::new(envelope, stored), plain(len)));
                check(&Body::of_parts(what, service, &name(), &parts_by(service, &mode, write, len, step)));
            }
        }
    }
}

/// Encrypts this plaintext in steps of so many bytes: the stored bytes, and how it ended.
pub type WriteBody = fn(Encryptor, &[u8], usize) -> (Vec<u8>, Finished);

/// A multipart object whose parts are written in this way; its second part is empty.
fn parts_by(service: &Service, mode: &AnyMode, write: WriteBody, len: usize, step: usize) -> Stored {
    let upload = service.begin(&name(), mode);
    let parts = [(1, len), (2, 0), (3, len)].map(|(at, len)| {
        let (encryptor, seal) = upload.part(number(at)).unwrap();
        let (plain, label) = (plain(len), b"etag".to_vec());
        let (stored, finished) = write(encryptor, &plain, step);
        let receipt = seal.receipt(&finished, &label).unwrap();
        Part { number: number(at), label, receipt, stored, plain }
    });
    Stored { completed: service.complete(&upload, &parts).unwrap(), parts: parts.to_vec() }
}

impl Body {
    /// A body that a service reads under this name. Of parts, the manifest is missing.
    pub fn open(what: String, service: &Service, object: &ObjectName, stored: Encrypted, plain: Vec<u8>) -> Self {
        let decryptor = service.decryptor(object, &stored.envelope).unwrap();
        let customer_key =
            Some(service.customer_key.clone()).filter(|_| stored.envelope.mode() == atrest::ModeId::SseC);
        Self { what, sse: service.sse.clone(), object: object.clone(), customer_key, stored, plain, decryptor }
    }

    /// A multipart object that a service reads under this name.
    pub fn of_parts(what: String, service: &Service, object: &ObjectName, parts: &Stored) -> Self {
        let mut body = Self::open(what, service, object, parts.with_body(parts.body()), parts.plain());
        body.decryptor = body.decryptor.with_manifest(&parts.completed.manifest).unwrap();
        body
    }

    fn unlock(&self) -> Unlock<'_> {
        self.customer_key.as_ref().map_or(Unlock::Server, |key| Unlock::CustomerKey(key))
    }

    /// The stored object with another body.
    fn with(&self, body: &[u8]) -> Encrypted {
        let mut stored = self.stored.clone();
        stored.ciphertext = body.to_vec();
        stored
    }

    pub(crate) fn plan(&self, stored: &[u8], range: ByteRange) -> Result<RangePlan> {
        self.decryptor.range(range, stored.len() as u64)
    }

    /// Reads a range by an adapter. An adapter reads nothing where the range is empty, so a plan reads that.
    pub(crate) fn adapted(
        &self,
        stored: &[u8],
        range: ByteRange,
        read: impl FnOnce(Range<u64>) -> io::Result<Vec<u8>>,
    ) -> Read {
        Read::of(self.plan(stored, range).and_then(|plan| match plan.plaintext_range() {
            Some(range) if !range.is_empty() => read(range).map_err(of_io),
            _ => plan.decrypt(&fetch(stored, plan.fetches())),
        }))
    }

    /// Reads these stored bytes as the body in every way, and checks that all plaintext that comes out is the body's.
    pub fn read_in_every_way(&self, stored: &[u8], steps: &Steps, mut check: impl FnMut(&str, Result<Vec<u8>>)) {
        let whole = READERS.into_iter().map(|(way, read)| (way, read(self, stored, steps)));
        let ranges = RANGE_READERS.into_iter().map(|(way, read)| (way, read(self, stored, (0..).into(), steps)));
        for (way, read) in whole.chain(ranges) {
            assert!(self.plain.starts_with(&read.released), "{}, {way}: bytes that are not the object's", self.what);
            check(way, read.into_result());
        }
    }

    /// Checks that every way reads the body.
    pub fn assert_opens(&self, steps: &Steps) {
        self.read_in_every_way(&self.stored.ciphertext, steps, |way, read| match read {
            Ok(read) => assert!(read == self.plain, "{}, {way}, {steps:?}: {} bytes", self.what, read.len()),
            Err(error) => panic!("{}, {way}, {steps:?}: {error:?}", self.what),
        });
    }

    /// Checks that every way refuses these stored bytes in place of the body, with an error of one of `classes`, and
    /// gives out nothing that is not the body's.
    pub fn assert_refused(&self, what: &str, stored: &[u8], classes: &[&str]) {
        for steps in [stored.len().max(1), 1_001, C].map(Steps::of) {
            self.read_in_every_way(stored, &steps, |way, read| match read {
                Ok(_) => panic!("{}, {what}, {way}: not refused", self.what),
                Err(error) => assert!(classes.contains(&&*class(&error)), "{}, {what}, {way}: {error:?}", self.what),
            });
        }
    }

    /// Checks that every way reads this slice for the range, or finds that no byte of the range is there.
    pub fn assert_range(&self, range: impl Into<ByteRange>, slice: Range<usize>, steps: &Steps) {
        let range = range.into();
        let expected = self.plain.get(slice.start..slice.end.min(self.plain.len())).filter(|slice| !slice.is_empty());
        for (way, read) in RANGE_READERS {
            let place = || format!("{}, {way}: {range:?}, {steps:?}", self.what);
            match (read(self, &self.stored.ciphertext, range, steps).into_result(), expected) {
                (Ok(read), Some(expected)) => assert!(read == expected, "{}", place()),
                // The whole of an empty object is empty.
                (Ok(read), None) => assert!(read.is_empty() && self.plain.is_empty(), "{}", place()),
                (Err(Error::RangeNotSatisfiable { plaintext_len, .. }), None) => {
                    assert_eq!(plaintext_len, self.plain.len() as u64, "{}", place());
                }
                (Err(error), _) => panic!("{}: {error:?}", place()),
            }
        }
    }
}

/// The library's error in an error of `std::io`.
pub fn of_io(error: io::Error) -> Error {
    *error.into_inner().expect("an error of the library").downcast::<Error>().expect("an error of the library")
}

fn pushed_in(mut encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let mut stored = BytesMut::from(&b"before"[..]);
    for piece in plaintext.chunks(step) {
        encryptor.push(piece, &mut stored).unwrap();
        encryptor.push(&[], &mut stored).unwrap();
    }
    let finished = encryptor.finish_into(&mut stored).unwrap();
    assert!(stored.starts_with(b"before"), "it appends");
    (stored[6..].to_vec(), finished)
}

fn through_writer(encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let mut writer = EncryptWriter::new(encryptor, Vec::new());
    for piece in plaintext.chunks(step) {
        writer.write_all(piece).unwrap();
        writer.write_all(&[]).unwrap();
        writer.flush().unwrap();
    }
    writer.finish_part().unwrap()
}

fn pushed_out(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    let mut reader = body.decryptor.sequential();
    let mut plaintext = BytesMut::from(&b"before"[..]);
    let mut end = Ok(());
    for piece in steps.cut(stored) {
        let before = plaintext.len();
        for piece in [piece, &[]] {
            end = end.and_then(|()| reader.push(piece, &mut plaintext).map(drop));
        }
        if let Err(error) = &end {
            assert_eq!(plaintext.len(), before, "a push that fails appends nothing");
            assert_eq!(reader.push(stored, &mut plaintext).unwrap_err().to_string(), error.to_string());
            break;
        }
    }
    let end = end.and_then(|()| reader.finish_into(&mut plaintext).map(drop));
    assert!(plaintext.starts_with(b"before"), "it appends");
    Read { released: plaintext[6..].to_vec(), end }
}

fn decrypted_whole_into(body: &Body, stored: &[u8], _: &Steps) -> Read {
    let mut output = vec![0xEE; stored.len()];
    let blocking = body.sse.blocking();
    Read::of(match blocking.decrypt_into(&body.object, &body.with(stored), body.unlock(), &mut output) {
        Ok(len) => Ok(output[..len].to_vec()),
        Err(error) => {
            assert!(output.iter().all(|byte| *byte == 0), "the output of a failed call is wiped");
            Err(error)
        }
    })
}

/// Reads through `open_in_place`, in steps.
pub fn read_in_place(mut reader: PlaintextReader, stored: &[u8], steps: &Steps) -> Read {
    let (mut released, mut opened) = (Vec::new(), Vec::new());
    for piece in steps.cut(stored) {
        let mut owned = BytesMut::from(piece);
        let len = reader.update_len(piece.len());
        if let Err(error) = reader.open_in_place(&mut owned, &mut opened) {
            assert!(opened.is_empty(), "a call that fails gives nothing out");
            for input in [stored, &[]] {
                let again = reader.open_in_place(&mut BytesMut::from(input), &mut opened).unwrap_err();
                assert_eq!(again.to_string(), error.to_string(), "it goes on failing");
                assert_eq!(reader.update(input, &mut []).unwrap_err().to_string(), error.to_string());
            }
            assert!(opened.is_empty() && reader.finish(&mut [0; 40_000]).is_err());
            return Read { released, end: Err(error) };
        }
        assert!(owned.is_empty() && opened.iter().all(|piece| (1..2 * C).contains(&piece.len())));
        let before = released.len();
        opened.drain(..).for_each(|piece: Bytes| released.extend_from_slice(&piece));
        assert_eq!(released.len() - before, len, "the length that was stated");
    }
    let mut last = BytesMut::new();
    let end = reader.finish_into(&mut last).map(drop);
    released.extend_from_slice(&last);
    Read { released, end }
}

fn through_reader(mut reader: DecryptReader<impl io::Read + Seek>, steps: &Steps) -> Read {
    let mut released = Vec::new();
    for step in steps.lens() {
        let mut piece = vec![0xEE; step.max(1)];
        let read = reader.read(&mut []).and_then(|_| reader.read(&mut piece));
        match read {
            Ok(0) => break,
            Ok(read) => released.extend_from_slice(&piece[..read]),
            Err(error) => {
                for again in [reader.read(&mut piece).map(|_| 0), reader.seek(SeekFrom::Start(0))] {
                    assert_eq!(again.unwrap_err().to_string(), error.to_string(), "it goes on failing");
                }
                return Read { released, end: Err(of_io(error)) };
            }
        }
    }
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0, "the end stays the end");
    Read { released, end: Ok(()) }
}

fn at_offsets(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    let reader = DecryptAt::new(body.decryptor.clone(), stored, 0..stored.len() as u64);
    let mut released = Vec::new();
    for step in steps.lens() {
        // Each call opens its chunks again, so a call for one byte costs a chunk.
        let mut piece = vec![0xEE; step.max(512)];
        match reader.read_at(&mut piece, released.len() as u64) {
            Ok(0) => break,
            Ok(read) => released.extend_from_slice(&piece[..read]),
            Err(error) => {
                let again = [reader.read_at(&mut piece, 0).map(drop), reader.plaintext_len().map(drop)];
                assert!(again.iter().all(Result::is_err), "it goes on failing");
                return Read { released, end: Err(of_io(error)) };
            }
        }
    }
    let end = reader.plaintext_len().map(|len| assert_eq!(len, released.len() as u64, "{}", body.what));
    Read { released, end: end.map_err(of_io) }
}

/// Cuts the bytes that a plan fetches into pieces.
fn pieces<'a>(plan: &RangePlan, stored: &'a [u8], steps: &Steps) -> Vec<(u64, &'a [u8])> {
    let Range { start, end } = plan.fetch_span();
    let mut at = start;
    let fetched = &stored[start as usize..end as usize];
    let place = |piece: &'a [u8]| {
        let place = (at, piece);
        at += piece.len() as u64;
        place
    };
    steps.cut(fetched).map(place).collect()
}

fn decrypted_into(plan: &RangePlan, stored: &[u8], steps: &Steps) -> Result<Vec<u8>> {
    let mut output = vec![0xEE; plan.output_len() + 3];
    let decrypted = plan.decrypt_into(pieces(plan, stored, steps), &mut output);
    assert!(output.ends_with(&[0xEE; 3]), "no byte behind the output is touched");
    match decrypted {
        Ok(written) => {
            output.truncate(written);
            Ok(output)
        }
        Err(error) => {
            let written = &output[..plan.output_len()];
            let untouched = written.iter().all(|byte| *byte == 0xEE);
            assert!(untouched || written.iter().all(|byte| *byte == 0), "a range that fails is wiped");
            Err(error)
        }
    }
}
