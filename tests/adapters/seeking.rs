//! Seeks of the reader of tokio.

use std::io::{Cursor, ErrorKind, SeekFrom};

use atrest::tokio::DecryptReader;
use atrest_kit::polled::Reluctant;
use atrest_kit::{C, LENS, Service, name, plain};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::stored;

async fn rest(reader: &mut DecryptReader<Reluctant>, most: u64) -> Vec<u8> {
    let mut rest = Vec::new();
    reader.take(most).read_to_end(&mut rest).await.unwrap();
    rest
}

async fn seek_everywhere(reader: &mut DecryptReader<Reluctant>, plain: &[u8], what: &str) {
    let len = plain.len();
    for at in LENS.into_iter().chain([C - 2, 3 * C, 3 * C + 499, 4 * C, 1 << 30]) {
        assert_eq!(reader.seek(SeekFrom::Start(at as u64)).await.unwrap(), at as u64);
        assert!(rest(reader, u64::MAX).await == plain[at.min(len)..], "{what} from {at}");
        let back = at.min(len);
        assert_eq!(reader.seek(SeekFrom::End(-(back as i64))).await.unwrap(), (len - back) as u64);
        assert!(rest(reader, 100).await == plain[len - back..len.min(len - back + 100)], "{what} last {back}");
        let here = reader.stream_position().await.unwrap();
        assert_eq!(reader.seek(SeekFrom::Current(5)).await.unwrap(), here + 5);
        assert_eq!(reader.seek(SeekFrom::Current(-5)).await.unwrap(), here);
    }
    let before = reader.stream_position().await.unwrap();
    for nowhere in [SeekFrom::Current(-(before as i64) - 1), SeekFrom::End(-(len as i64) - 1)] {
        assert_eq!(reader.seek(nowhere).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(reader.stream_position().await.unwrap(), before, "a refused seek moves nothing");
    }
}

#[test]
fn seeking_anywhere_reads_what_is_there() {
    let service = Service::new();
    for mode in service.modes() {
        for len in LENS {
            let known = service.sse.blocking().encrypt(&name(), mode.clone(), &plain(len)).unwrap();
            for stored in [known, service.streamed(&name(), &mode, &plain(len))] {
                let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
                let inner = Reluctant::over(stored.ciphertext, 7_001).interrupting();
                let mut reader = DecryptReader::new(decryptor, inner);
                pollster::block_on(seek_everywhere(&mut reader, &plain(len), &format!("{mode:?} {len}")));
            }
        }
    }
}

#[test]
fn a_body_may_begin_in_the_middle_of_a_file() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, C + 5);
    let mut file = Cursor::new([&b"before it"[..], &body].concat());
    file.set_position(9);
    let mut reader = DecryptReader::new(decryptor, file);
    pollster::block_on(reader.seek(SeekFrom::End(-5))).unwrap();
    let mut last = Vec::new();
    pollster::block_on(reader.read_to_end(&mut last)).unwrap();
    assert_eq!(last, plain(C + 5)[C..]);
    assert_eq!(reader.into_inner().into_inner().len(), 9 + body.len());
}

/// PITFALL: a failed `seek(End)` and then a read that gives a clean end.
#[test]
fn a_failed_seek_to_the_end_is_not_followed_by_a_clean_end() {
    let service = Service::new();
    let (decryptor, mut body) = stored(&service, 2 * C + 9);
    *body.last_mut().unwrap() ^= 1;
    for first in [SeekFrom::End(0), SeekFrom::Start(u64::MAX)] {
        let mut reader = DecryptReader::new(decryptor.clone(), Reluctant::over(&body[..], 0));
        let sought = pollster::block_on(reader.seek(first));
        assert_eq!(sought.is_ok(), first == SeekFrom::Start(u64::MAX), "{sought:?}");
        let error = pollster::block_on(reader.read(&mut [0; 10])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "the end does not verify");
        for to in [SeekFrom::Start(0), SeekFrom::Current(0), SeekFrom::End(0)] {
            assert_eq!(pollster::block_on(reader.seek(to)).unwrap_err().to_string(), error.to_string());
        }
    }
}
