//! Adapters over parts: receipts, and parts that are stored apart.

use std::io::{Read, Seek, SeekFrom, Write};

use atrest::io::{DecryptAt, DecryptReader, EncryptWriter, Joined, ReadAt};
use atrest::{Error, PartNumber};

use atrest_kit::parts::{Part, number};
use atrest_kit::{C, Service, name, plain};

/// Writes one part in steps, with empty writes in between.
fn written(upload: &atrest::multipart::Upload, number: PartNumber, plain: &[u8], step: usize) -> Part {
    let (encryptor, seal) = upload.part(number).unwrap();
    let mut writer = EncryptWriter::new(encryptor, Vec::new());
    for piece in plain.chunks(step) {
        writer.write_all(piece).unwrap();
        writer.write_all(&[]).unwrap();
        writer.flush().unwrap();
    }
    let (stored, finished) = writer.finish_part().unwrap();
    let receipt = seal.receipt(&finished, b"etag").unwrap();
    Part { number, label: b"etag".to_vec(), receipt, stored, plain: plain.to_vec() }
}

/// A writer that takes this many bytes, and then fails.
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
            let mut writer = EncryptWriter::new(upload.part(number(1)).unwrap().0, Full(room));
            let failed = writer.write_all(&plain).and_then(|()| writer.flush());
            let finished = writer.finish_part();
            assert!(finished.is_err(), "{room}: {failed:?}");
        }
        let (encryptor, seal) = upload.part(number(1)).unwrap();
        let mut writer = EncryptWriter::new(encryptor, Full(whole));
        writer.write_all(&plain).unwrap();
        let receipt = seal.receipt(&writer.finish_part().unwrap().1, b"etag").unwrap();
        assert_eq!(upload.open_receipt(&receipt).unwrap().stored_len(), whole as u64);
        let mut writer = EncryptWriter::new(upload.part_of_len(number(1), 3).unwrap().0, Vec::new());
        writer.write_all(b"me").unwrap();
        let error = writer.finish_part().unwrap_err().into_inner().unwrap().downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::Misuse(_)), "{error:?}");
    }
}

#[test]
fn parts_that_are_stored_apart_are_read_as_one_body() {
    let service = Service::new();
    for mode in service.modes() {
        let stored = service.put(&name(), &mode, &[(1, C + 1), (2, 0), (3, 1), (4, 2 * C), (5, 0)]);
        let (body, plain) = (stored.body(), stored.plain());
        let decryptor = stored.completed.decryptor.clone();
        let apart = || Joined::new(stored.parts.iter().map(|part| (&part.stored[..], part.stored.len() as u64)));
        assert_eq!((apart().len(), apart().is_empty()), (body.len() as u64, false));

        let mut reader = DecryptReader::new(decryptor.clone(), apart());
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == plain);
        for start in [0, 1, C, C + 1, C + 2, plain.len() - 1, plain.len()] {
            reader.seek(SeekFrom::Start(start as u64)).unwrap();
            read.clear();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == plain[start..], "{mode:?} from {start}");
        }
        let at = DecryptAt::new(decryptor.clone(), apart(), 0..body.len() as u64);
        assert_eq!(at.plaintext_len().unwrap(), plain.len() as u64);
        let mut piece = vec![0; plain.len() - 2];
        at.read_exact_at(&mut piece, 1).unwrap();
        assert!(piece == plain[1..plain.len() - 1]);

        // A source that ends before its part is one that was cut.
        let cut = stored.parts.iter().map(|part| (&part.stored[..part.stored.len() - 1], part.stored.len() as u64));
        let mut reader = DecryptReader::new(decryptor, Joined::new(cut));
        let refused = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn joined_sources_seek_and_end_as_one() {
    let mut joined = Joined::new([(&b"ab"[..], 2), (b"", 0), (b"cde", 3)]);
    let mut read = String::new();
    joined.read_to_string(&mut read).unwrap();
    assert_eq!(read, "abcde");
    assert_eq!(joined.seek(SeekFrom::End(-2)).unwrap(), 3);
    assert_eq!(joined.seek(SeekFrom::Current(-2)).unwrap(), 1);
    assert!(joined.seek(SeekFrom::Current(-2)).is_err());
    let mut byte = [0; 1];
    joined.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"b", "a seek that failed moved nothing");
    assert_eq!(joined.read_at(&mut byte, 5).unwrap() + joined.read_at(&mut byte, u64::MAX).unwrap(), 0);
    assert!(Joined::<&[u8]>::new([]).is_empty());
}
