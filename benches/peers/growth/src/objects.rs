//! Objects of any size, generated and not stored.

use atrest::{Keyring, ObjectName, Sse, SseS3, Unlock};

const PIECE: usize = 1 << 20;

/// Encrypts an object of `len` bytes and decrypts what comes out as it comes out.
pub(crate) fn through(len: u64) -> Box<dyn FnOnce()> {
    let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring).build().expect("a backend");
    let object = ObjectName::new("photos", "2026/cat.jpg").expect("a name");
    let source: Vec<u8> = (0..PIECE).map(|at| (at * 7 + at / 256) as u8).collect();
    Box::new(move || {
        let (envelope, mut encryptor) = sse.blocking().encryptor(&object, SseS3).expect("an encryptor");
        let decryptor = sse.blocking().decryptor(&object, &envelope, Unlock::Server).expect("a decryptor");
        let mut reader = decryptor.sequential();
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        let (mut left, mut seen) = (len, 0);
        while left > 0 {
            let piece = &source[..left.min(PIECE as u64) as usize];
            grow(&mut sealed, encryptor.update_len(piece.len()));
            let written = encryptor.update(piece, &mut sealed).expect("encrypted");
            grow(&mut plain, reader.update_len(written));
            seen += reader.update(&sealed[..written], &mut plain).expect("decrypted") as u64;
            left -= piece.len() as u64;
        }
        let written = encryptor.finish_len();
        grow(&mut sealed, written);
        encryptor.finish(&mut sealed).expect("finished");
        grow(&mut plain, reader.update_len(written));
        seen += reader.update(&sealed[..written], &mut plain).expect("decrypted") as u64;
        grow(&mut plain, reader.finish_len());
        seen += reader.finish(&mut plain).expect("finished") as u64;
        assert_eq!(seen, len, "all of it came back");
    })
}

fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}
