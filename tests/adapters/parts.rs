//! The boundary table again, of objects in parts.

use std::io::{Cursor, Read, Write};

use atrest::io::{DecryptAt, DecryptReader, EncryptWriter};
use atrest::{Error, PartNumber};

use crate::parts::{Part, Stored, number};
use crate::steps;
use crate::support::{C, LENS, Service, name, plain};

/// One part, written in steps with nothing in between.
fn written(upload: &atrest::multipart::Upload, number: PartNumber, plain: &[u8], step: usize) -> Part {
    let mut writer = EncryptWriter::new_part(upload.part(number).unwrap(), Vec::new());
    for piece in plain.chunks(step) {
        writer.write_all(piece).unwrap();
        writer.write_all(&[]).unwrap();
        writer.flush().unwrap();
    }
    let (stored, receipt) = writer.finish_part(b"etag").unwrap();
    Part { number, label: b"etag".to_vec(), receipt, stored, plain: plain.to_vec() }
}

#[test]
fn parts_are_written_and_read_through_the_adapters_at_every_length_and_step() {
    let service = Service::new();
    for mode in service.modes() {
        for len in LENS {
            for step in steps(len) {
                let upload = service.begin(&name(), &mode);
                // The boundary stands in the first part, and behind an empty one in the last.
                let lens = [(1, len), (2, 0), (3, len)];
                let parts = lens.map(|(at, len)| written(&upload, number(at), &plain(len), step)).to_vec();
                let stored = Stored { completed: service.complete(&upload, &parts).unwrap(), parts };
                let (body, plain) = (stored.body(), stored.plain());
                assert!(service.decrypt(&name(), &stored.with_body(body.clone())).unwrap() == plain);
                let decryptor = stored.completed.decryptor.clone();

                let mut reader = DecryptReader::new(decryptor.clone(), Cursor::new(&body));
                let (mut read, mut piece) = (Vec::new(), vec![0; step]);
                loop {
                    assert_eq!(reader.read(&mut []).unwrap(), 0);
                    match reader.read(&mut piece).unwrap() {
                        0 => break,
                        len => read.extend_from_slice(&piece[..len]),
                    }
                }
                assert!(read == plain, "{mode:?} {len} {step}");
                assert_eq!(reader.read(&mut piece).unwrap(), 0, "the end stays the end");

                let at = DecryptAt::new(decryptor, &body, 0..body.len() as u64);
                for start in (0..plain.len()).step_by(C - 1) {
                    let mut piece = vec![0; step.min(plain.len() - start)];
                    at.read_exact_at(&mut piece, start as u64).unwrap();
                    assert!(piece == plain[start..start + piece.len()], "{mode:?} {len} {step} at {start}");
                }
            }
        }
    }
}

/// Takes so many bytes, and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 && !bytes.is_empty() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_part_that_was_not_written_wholly_has_no_receipt() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let plain = plain(2 * C);
        let whole = written(&upload, number(1), &plain, C).stored.len();
        for room in [0, 10, C + 100, whole - 1] {
            let mut writer = EncryptWriter::new_part(upload.part(number(1)).unwrap(), Full(room));
            let failed = writer.write_all(&plain).and_then(|()| writer.flush());
            let finished = writer.finish_part(b"etag");
            assert!(finished.is_err(), "{room}: {failed:?}");
        }
        let (_, receipt) = {
            let mut writer = EncryptWriter::new_part(upload.part(number(1)).unwrap(), Full(whole));
            writer.write_all(&plain).unwrap();
            writer.finish_part(b"etag").unwrap()
        };
        assert_eq!(upload.open_receipt(&receipt).unwrap().stored_len(), whole as u64);
        let mut writer = EncryptWriter::new_part(upload.part_of_len(number(1), 3).unwrap(), Vec::new());
        writer.write_all(b"me").unwrap();
        let error = writer.finish_part(b"etag").unwrap_err().into_inner().unwrap().downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::Misuse(_)), "{error:?}");
    }
}
