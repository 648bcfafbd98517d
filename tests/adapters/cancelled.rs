//! Futures that are dropped while they are pending.

use std::io::{self, SeekFrom};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use atrest::tokio::{DecryptReader, EncryptWriter, SequentialReader};
use atrest_kit::polled::Reluctant;
use atrest_kit::{C, Service, plain};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::{assert_object, encryptor, stored};

/// Polls a future once and drops it: its answer, or nothing if it was pending.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

#[test]
fn of_40_000_writes_that_are_dropped_while_pending_none_has_taken_anything() {
    let service = Service::new();
    let (plain, (envelope, encryptor)) = (plain(60 * C + 77), encryptor(&service));
    let mut writer = EncryptWriter::new(encryptor, Reluctant::over([], 24));
    let (mut taken, mut dropped, mut round) = (0, 0, 0);
    while taken < plain.len() {
        round += 1;
        // Another piece each time, as of a caller that was told something else in between.
        let end = plain.len().min(taken + 1 + round * 7_919 % 30_000);
        match once(writer.write(&plain[taken..end])) {
            Some(written) => taken += written.unwrap(),
            None => dropped += 1,
        }
        if round % 5 == 0 && once(writer.flush()).is_none() {
            dropped += 1;
        }
    }
    assert!(dropped > 40_000, "{dropped}");
    let inner = pollster::block_on(writer.finish()).unwrap();
    assert_object(&service, &envelope, &inner.bytes, plain.len());
}

fn read_in_dropped_reads(mut reader: impl AsyncRead + Unpin, plain: &[u8]) {
    let (mut read, mut dropped, mut round) = (Vec::new(), 0, 0);
    loop {
        round += 1;
        let mut piece = vec![0; 1 + round * 7_919 % 40_000];
        match once(reader.read(&mut piece)) {
            Some(len) => match len.unwrap() {
                0 => break,
                len => read.extend_from_slice(&piece[..len]),
            },
            None => dropped += 1,
        }
    }
    assert!(dropped > 1_000, "{dropped}");
    assert!(read == plain);
}

#[test]
fn reads_that_are_dropped_while_pending_lose_nothing() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 20 * C + 77);
    let plain = plain(20 * C + 77);
    read_in_dropped_reads(DecryptReader::new(decryptor.clone(), Reluctant::over(&body[..], 100)), &plain);
    read_in_dropped_reads(SequentialReader::new(decryptor.sequential(), Reluctant::over(&body[..], 100)), &plain);
}

async fn read_at(reader: &mut DecryptReader<Reluctant>, to: SeekFrom, len: usize) -> io::Result<Vec<u8>> {
    reader.seek(to).await?;
    let mut read = vec![0; len];
    reader.read_exact(&mut read).await?;
    Ok(read)
}

#[test]
fn seeks_that_are_dropped_while_pending_move_nothing_and_do_not_confuse_the_next_one() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 5 * C + 77);
    let plain = plain(5 * C + 77);
    // Each seek is dropped after another number of polls, while the inner reader is at another step of it.
    for polls in 0..60 {
        let mut reader = DecryptReader::new(decryptor.clone(), Reluctant::over(&body[..], 3_000));
        assert!(pollster::block_on(read_at(&mut reader, SeekFrom::Start(10), 20)).unwrap() == plain[10..30]);
        {
            let mut seek = pin!(reader.seek(SeekFrom::End(-5)));
            let mut context = Context::from_waker(Waker::noop());
            if (0..polls).any(|_| seek.as_mut().poll(&mut context).is_ready()) {
                break;
            }
        }
        if polls % 2 == 0 {
            let mut read = [0; 40];
            pollster::block_on(reader.read_exact(&mut read)).unwrap();
            assert!(read == plain[30..70], "the read goes on where it was, after {polls} polls");
        }
        assert!(pollster::block_on(read_at(&mut reader, SeekFrom::Start(C as u64), 20)).unwrap() == plain[C..C + 20]);
        let last = pollster::block_on(read_at(&mut reader, SeekFrom::End(-7), 7)).unwrap();
        assert!(last == plain[plain.len() - 7..]);
    }
}
