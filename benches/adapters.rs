//! 64 MiB in pieces of 64 KiB through every adapter, each beside the same work done bare, pair by pair in one run.
//!
//! A ratio is the median over all rounds of the ratio within one round, so that what else the machine does counts
//! little. The last table is the time of one poll, which an executor's thread cannot use for another task.

mod kit;

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use atrest::http_body::{DecryptBody, EncryptBody};
use atrest::streams::{DecryptStream, EncryptStream};
use atrest::tokio::{DecryptReader, EncryptWriter, SequentialReader};
use atrest::{Decryptor, Encryptor, Envelope, ModeId};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body, Frame};
use kit::{KIB, Kit, MIB, source};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PIECE: usize = 64 * KIB;

struct World {
    kit: Kit,
    plain: Bytes,
    envelope: Envelope,
    stored: Bytes,
}

impl World {
    fn new(mode: ModeId, backend: &str, len: usize) -> Self {
        let kit = Kit::new(mode, backend);
        let plain = source(len);
        let (envelope, mut encryptor) =
            kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
        let mut stored = BytesMut::new();
        encryptor.push(&plain, &mut stored).expect("encrypted");
        encryptor.finish_into(&mut stored).expect("finished");
        Self { kit, plain: plain.into(), envelope, stored: stored.freeze() }
    }

    fn encryptor(&self) -> Encryptor {
        self.kit.sse.blocking().encryptor(&self.kit.object, self.kit.mode.clone()).expect("an encryptor").1
    }

    fn decryptor(&self) -> Decryptor {
        self.kit.sse.blocking().decryptor(&self.kit.object, &self.envelope, self.kit.unlock()).expect("a decryptor")
    }
}

/// A way to pass all bytes through; it returns the number of bytes that came out.
type Way = fn(&World) -> usize;

struct Case {
    name: &'static str,
    way: Way,
    /// The name of the bare work, and the ratio to it that the adapter has to reach.
    bare: Option<(&'static str, f64)>,
}

const fn bare(name: &'static str, way: Way) -> Case {
    Case { name, way, bare: None }
}

const fn against(name: &'static str, way: Way, bare: &'static str, least: f64) -> Case {
    Case { name, way, bare: Some((bare, least)) }
}

const SEAL: &str = "seal: update, memory used again";
const SEAL_FRESH: &str = "seal: update into fresh memory";
const OPEN: &str = "open: update, memory used again";
const OPEN_COPIED: &str = "open: one copy, then update";
const OPEN_FRESH: &str = "open: update into fresh memory";
const OPEN_PUSH: &str = "open: owned pieces, push";

const CASES: [Case; 14] = [
    bare(SEAL, seal_update),
    against("seal: tokio EncryptWriter", seal_tokio, SEAL, 0.95),
    bare(SEAL_FRESH, seal_fresh),
    against("seal: EncryptStream", seal_stream, SEAL_FRESH, 0.95),
    against("seal: EncryptBody", seal_body, SEAL_FRESH, 0.95),
    bare(OPEN, open_update),
    bare(OPEN_COPIED, open_copied),
    against("open: tokio SequentialReader", open_sequential, OPEN_COPIED, 0.95),
    against("open: tokio DecryptReader", open_tokio, OPEN_COPIED, 0.95),
    bare(OPEN_FRESH, open_fresh),
    against("open: DecryptStream", open_stream, OPEN_FRESH, 0.95),
    against("open: DecryptBody", open_body, OPEN_FRESH, 0.95),
    bare(OPEN_PUSH, open_push),
    against("open: owned pieces, DecryptStream", open_owned, OPEN_PUSH, 1.15),
];

// Sealing.

fn seal_update(world: &World) -> usize {
    let (mut encryptor, mut output, mut out) = (world.encryptor(), vec![0; PIECE + 40 * KIB], 0);
    for piece in world.plain.chunks(PIECE) {
        out += encryptor.update(piece, &mut output).expect("sealed");
        black_box(&output);
    }
    out + encryptor.finish(&mut output).expect("finished").written
}

fn seal_tokio(world: &World) -> usize {
    let mut writer = EncryptWriter::new(world.encryptor(), Sink(0));
    for piece in world.plain.chunks(PIECE) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = &rest[polled(|context| Pin::new(&mut writer).poll_write(context, rest)).expect("written")..];
        }
    }
    pollster::block_on(writer.finish()).expect("finished").0
}

fn seal_fresh(world: &World) -> usize {
    let (mut encryptor, mut out) = (world.encryptor(), 0);
    for piece in world.plain.chunks(PIECE) {
        let mut output = BytesMut::zeroed(encryptor.update_len(piece.len()));
        out += encryptor.update(piece, &mut output).expect("sealed");
        black_box(output.freeze());
    }
    out + encryptor.finish(&mut [0; 64 * KIB]).expect("finished").written
}

fn seal_stream(world: &World) -> usize {
    drained(EncryptStream::new(world.encryptor(), Pieces::shared(&world.plain)))
}

fn seal_body(world: &World) -> usize {
    drained_body(EncryptBody::new(world.encryptor(), Pieces::shared(&world.plain)))
}

// Opening.

fn open_update(world: &World) -> usize {
    let (mut reader, mut output, mut out) = (world.decryptor().sequential(), vec![0; PIECE + 40 * KIB], 0);
    for piece in world.stored.chunks(PIECE) {
        out += reader.update(piece, &mut output).expect("opened");
        black_box(&output);
    }
    out + reader.finish(&mut output).expect("finished")
}

fn open_copied(world: &World) -> usize {
    let (mut reader, mut output, mut out) = (world.decryptor().sequential(), vec![0; PIECE + 40 * KIB], 0);
    let mut copied = vec![0; PIECE];
    for piece in world.stored.chunks(PIECE) {
        copied[..piece.len()].copy_from_slice(piece);
        out += reader.update(black_box(&copied[..piece.len()]), &mut output).expect("opened");
        black_box(&output);
    }
    out + reader.finish(&mut output).expect("finished")
}

fn open_sequential(world: &World) -> usize {
    read_all(SequentialReader::new(world.decryptor().sequential(), &world.stored[..]))
}

fn open_tokio(world: &World) -> usize {
    read_all(DecryptReader::new(world.decryptor(), io::Cursor::new(&world.stored[..])))
}

fn open_fresh(world: &World) -> usize {
    let (mut reader, mut out) = (world.decryptor().sequential(), 0);
    for piece in world.stored.chunks(PIECE) {
        let mut output = BytesMut::zeroed(reader.update_len(piece.len()));
        out += reader.update(piece, &mut output).expect("opened");
        black_box(output.freeze());
    }
    out + reader.finish(&mut [0; 32 * KIB]).expect("finished")
}

fn open_stream(world: &World) -> usize {
    drained(DecryptStream::new(world.decryptor().sequential(), Pieces::shared(&world.stored)))
}

fn open_body(world: &World) -> usize {
    drained_body(DecryptBody::new(world.decryptor().sequential(), Pieces::shared(&world.stored)))
}

fn open_push(world: &World) -> usize {
    let (mut reader, mut pieces, mut out) = (world.decryptor().sequential(), Pieces::owned(&world.stored), 0);
    while let Some(piece) = pieces.next() {
        let mut output = BytesMut::new();
        out += reader.push(&piece, &mut output).expect("opened");
        black_box(output.freeze());
    }
    out + reader.finish(&mut [0; 32 * KIB]).expect("finished")
}

fn open_owned(world: &World) -> usize {
    drained(DecryptStream::new(world.decryptor().sequential(), Pieces::owned(&world.stored)))
}

// Sources and sinks.

/// Pieces that share the memory of all of them, or pieces that own theirs, copied as from a socket.
struct Pieces {
    rest: Bytes,
    owned: bool,
}

impl Pieces {
    fn shared(all: &Bytes) -> Self {
        Self { rest: all.clone(), owned: false }
    }

    fn owned(all: &Bytes) -> Self {
        Self { rest: all.clone(), owned: true }
    }

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        let piece = if self.owned { Bytes::copy_from_slice(&piece) } else { piece };
        (!piece.is_empty()).then_some(piece)
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next().map(Ok))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// A writer that counts.
struct Sink(usize);

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, input: &[u8]) -> Poll<io::Result<usize>> {
        self.0 += black_box(input).len();
        Poll::Ready(Ok(input.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn polled<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = poll(&mut context) {
            return answer;
        }
    }
}

fn drained<E: std::fmt::Debug>(stream: impl Stream<Item = Result<Bytes, E>>) -> usize {
    let (mut stream, mut out) = (pin!(stream), 0);
    while let Some(item) = polled(|context| stream.as_mut().poll_next(context)) {
        out += black_box(item.expect("an item")).len();
    }
    out
}

fn drained_body<E: std::fmt::Debug>(body: impl Body<Data = Bytes, Error = E>) -> usize {
    let (mut body, mut out) = (pin!(body), 0);
    while let Some(frame) = polled(|context| body.as_mut().poll_frame(context)) {
        out += black_box(frame.expect("a frame").into_data().expect("data")).len();
    }
    out
}

fn read_all(mut reader: impl AsyncRead + Unpin) -> usize {
    let (mut output, mut out) = (vec![0; PIECE], 0);
    loop {
        let mut room = ReadBuf::new(&mut output);
        polled(|context| Pin::new(&mut reader).poll_read(context, &mut room)).expect("read");
        match room.filled().len() {
            0 => return out,
            read => out += read,
        }
        black_box(&output);
    }
}

// Measuring.

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(world: &World, rounds: usize) {
    let mut seconds = vec![Vec::new(); CASES.len()];
    for _ in 0..rounds {
        for (case, seconds) in CASES.iter().zip(&mut seconds) {
            let began = Instant::now();
            let out = black_box((case.way)(world));
            seconds.push(began.elapsed().as_secs_f64());
            let expected = if case.name.starts_with("seal") { world.stored.len() } else { world.plain.len() };
            assert_eq!(out, expected, "{}", case.name);
        }
    }
    for (case, own) in CASES.iter().zip(&seconds) {
        let rate = world.plain.len() as f64 / median(own.clone()) / 1e9;
        print!("{:<36} {rate:6.2} GB/s", case.name);
        if let Some((name, least)) = case.bare {
            let other = CASES.iter().position(|case| case.name == name).expect("the bare work is a case");
            let ratio = median(own.iter().zip(&seconds[other]).map(|(own, bare)| bare / own).collect());
            print!("   {ratio:.2} of `{name}`, wanted {least}{}", if ratio < least { ": MISSED" } else { "" });
        }
        println!();
    }
}

/// The times of all polls of an adapter that does its most in each: pieces of 1 MiB, outputs of 1 MiB.
fn polls(world: &World) -> [(&'static str, Vec<Duration>); 4] {
    let whole = || {
        futures_util::stream::iter(
            world.plain.chunks(MIB).map(|piece| Ok::<_, io::Error>(world.plain.slice_ref(piece))),
        )
    };
    let stored = || {
        futures_util::stream::iter(
            world.stored.chunks(MIB).map(|piece| Ok::<_, io::Error>(world.stored.slice_ref(piece))),
        )
    };
    let mut times: [Vec<Duration>; 4] = Default::default();
    let [write, read, seal, open] = &mut times;
    pollster::block_on(async {
        let (mut writer, mut rest) = (EncryptWriter::new(world.encryptor(), Sink(0)), &world.plain[..]);
        while !rest.is_empty() {
            let taken = poll_fn(timed(write, |context| Pin::new(&mut writer).poll_write(context, rest))).await;
            rest = &rest[taken.expect("written")..];
        }
        let (mut reader, mut output) =
            (SequentialReader::new(world.decryptor().sequential(), &world.stored[..]), vec![0; MIB]);
        loop {
            let mut room = ReadBuf::new(&mut output);
            poll_fn(timed(read, |context| Pin::new(&mut reader).poll_read(context, &mut room))).await.expect("read");
            if room.filled().is_empty() {
                break;
            }
        }
        let mut stream = pin!(EncryptStream::new(world.encryptor(), whole()));
        while poll_fn(timed(seal, |context| stream.as_mut().poll_next(context))).await.is_some() {}
        let mut stream = pin!(DecryptStream::new(world.decryptor().sequential(), stored()));
        while poll_fn(timed(open, |context| stream.as_mut().poll_next(context))).await.is_some() {}
    });
    let names = ["tokio EncryptWriter", "tokio SequentialReader", "EncryptStream", "DecryptStream"];
    let mut times = times.into_iter();
    names.map(|name| (name, times.next().unwrap_or_default()))
}

fn timed<T>(
    times: &mut Vec<Duration>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> impl FnMut(&mut Context<'_>) -> Poll<T> {
    move |context| {
        let began = Instant::now();
        let answer = poll(context);
        times.push(began.elapsed());
        answer
    }
}

fn main() {
    // `cargo test` runs the benches once, without this argument.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (len, rounds) = if measures { (64 * MIB, 15) } else { (MIB, 1) };
    compare(&World::new(ModeId::SseS3, "aws-lc", len), rounds);
    println!("\none poll: median, 99 of 100, longest");
    for (mode, backend) in [(ModeId::SseS3, "aws-lc"), (ModeId::SseS3, "rust-crypto"), (ModeId::DsseKms, "both")] {
        for (name, mut times) in polls(&World::new(mode, backend, len)) {
            times.sort();
            let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
            println!("{mode} {backend} {name:<24} {:?} {:?} {:?}", at(50), at(99), at(100));
        }
    }
}
