//! Any range of an object of any stored length: the plan stays inside the body and fetches no chunk that is not needed;
//! and of a real object the range decrypts to the plain slice.
//!
//! A case is `u8 switches | u16 plaintext length | u8 kind of range | u64 start | u64 end | u64 claimed stored length |
//! u8 pieces | u16 where to change a byte`.

#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use atrest::{Backend, ByteRange, Decryptor, DsseKms, Error, ObjectName, RangePlan, Sse, SseS3, Unlock};
use atrest_fuzz::{CHUNK, HEADER, Input, Pieces, sealed_chunks, sse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(bytes);
});

fn run(bytes: &[u8]) -> Option<()> {
    let mut input = Input(bytes);
    let switches = input.u8()?;
    let (two_layers, known, small) = (switches & 1 == 1, switches & 2 == 2, switches & 4 == 4);
    let plaintext_len = u64::from(input.u16()?) % (3 * CHUNK + 500);
    let kind = input.u8()?;
    let (mut start, mut end) = (input.u64()?, input.u64()?);
    let claimed = input.u64()?;
    if small {
        start %= plaintext_len + 20;
        end %= plaintext_len + 20;
    }
    let range = match kind % 4 {
        0 => ByteRange::from(start..end),
        1 => ByteRange::from(start..=end),
        2 => ByteRange::from(start..),
        _ => ByteRange::last(start),
    };
    let asked = match kind % 4 {
        0 => Asked::Between(start, end),
        1 => Asked::Between(start, end.saturating_add(1)),
        2 => Asked::From(start),
        _ => Asked::Last(start),
    };
    let object = object(two_layers, known, plaintext_len);

    // Of a body of any length whatever.
    if let Ok(plan) = object.decryptor.range(range, claimed) {
        assert!(!known || claimed == object.body.len() as u64);
        assert_frugal(&plan, asked, claimed, &object);
    }
    let _ = object.decryptor.end_fetch(claimed).map(|fetch| assert!(fetch.end <= claimed));

    // Of the object as it is.
    let stored = object.body.len() as u64;
    let wanted = asked.within(plaintext_len);
    let plan = match object.decryptor.range(range, stored) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(wanted.is_none() && known);
            assert_not_satisfiable(&error, plaintext_len);
            return Some(());
        }
    };
    assert_frugal(&plan, asked, stored, &object);
    if let Some(said) = plan.plaintext_range() {
        assert_eq!(Some((said.start, said.end)), wanted);
    }
    let fetched = object.fetch(&plan);
    let pieces = Pieces::new(input.u8()?);
    let whole = plan.decrypt(&fetched);
    let streamed = stream(&plan, &fetched, pieces);
    match wanted {
        Some((from, to)) => {
            let plain = &object.plaintext[from as usize..to as usize];
            assert_eq!(whole.as_deref().ok(), Some(plain));
            assert_eq!(streamed.as_deref().ok(), Some(plain));
        }
        None => {
            assert_not_satisfiable(&whole.expect_err("no byte of it"), plaintext_len);
            assert_not_satisfiable(&streamed.expect_err("no byte of it"), plaintext_len);
        }
    }

    // The same with its end known, and with one byte changed, one missing and one too many.
    let end = object.decryptor.end_fetch(stored).expect("a length of an object");
    let ended = object
        .decryptor
        .verify_end(stored, &object.body[end.start as usize..end.end as usize])
        .expect("the object ends there");
    assert_eq!(ended.plaintext_len(), Some(plaintext_len));
    match (ended.range(range, stored), wanted) {
        (Ok(plan), Some((from, to))) => {
            assert_eq!(plan.plaintext_range(), Some(from..to));
            let plain = &object.plaintext[from as usize..to as usize];
            assert_eq!(plan.decrypt(&object.fetch(&plan)).as_deref().ok(), Some(plain));
        }
        (Err(error), None) => assert_not_satisfiable(&error, plaintext_len),
        (plan, wanted) => panic!("{plan:?} for {wanted:?}"),
    }
    if !fetched.is_empty() {
        let mut changed = fetched.clone();
        let at = usize::from(input.u16()?) % changed.len();
        changed[at] ^= 1;
        assert_inauthentic(plan.decrypt(&changed));
        assert_inauthentic(stream(&plan, &changed, Pieces::new(at as u8)));
        assert!(plan.decrypt(&fetched[..fetched.len() - 1]).is_err());
        assert!(stream(&plan, &fetched[..at], Pieces::new(at as u8)).is_err());
        changed = fetched;
        changed.push(0);
        assert!(plan.decrypt(&changed).is_err());
        assert!(stream(&plan, &changed, Pieces::new(at as u8)).is_err());
    }
    Some(())
}

fn stream(plan: &RangePlan, fetched: &[u8], mut pieces: Pieces) -> Result<Vec<u8>, Error> {
    let mut reader = plan.reader();
    let mut given = Vec::new();
    let mut rest = fetched;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next_len().min(rest.len()));
        let mut output = vec![0; reader.update_len(piece.len())];
        let written = reader.update(piece, &mut output).inspect_err(|error| {
            let again = format!("{error:?}");
            assert_eq!(format!("{:?}", reader.update(fetched, &mut [0; 64]).expect_err("it had failed")), again);
            assert_eq!(format!("{:?}", reader.update(&[], &mut [0; 64]).expect_err("it had failed")), again);
        })?;
        assert_eq!(written, output.len());
        given.extend_from_slice(&output);
        rest = behind;
    }
    let mut output = vec![0; reader.finish_len()];
    let written = reader.finish(&mut output)?;
    assert_eq!(written, output.len());
    given.extend_from_slice(&output);
    Ok(given)
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Between(u64, u64),
    From(u64),
    Last(u64),
}

impl Asked {
    /// The plaintext bytes of it that an object has, if it has any.
    fn within(self, plaintext_len: u64) -> Option<(u64, u64)> {
        let (start, end) = match self {
            Self::Between(start, end) => (start, end.min(plaintext_len)),
            // The whole of an empty object, which is the one empty range that is no error.
            Self::From(0) if plaintext_len == 0 => return Some((0, 0)),
            Self::From(start) => (start, plaintext_len),
            Self::Last(len) => (plaintext_len.saturating_sub(len), plaintext_len),
        };
        (start < end).then_some((start, end))
    }

    fn hangs_on_the_end(self, plaintext_len: u64) -> bool {
        match self {
            Self::Between(_, end) => end > plaintext_len || self.within(plaintext_len).is_none(),
            Self::From(_) | Self::Last(_) => true,
        }
    }
}

/// Fetches in order, inside the body, and no more than the chunks that a naive reader would name.
fn assert_frugal(plan: &RangePlan, asked: Asked, stored: u64, object: &Object) {
    let mut behind = 0;
    for fetch in plan.fetches() {
        assert!(behind <= fetch.start && fetch.start <= fetch.end && fetch.end <= stored);
        behind = fetch.end;
    }
    let fetched: u64 = plan.fetches().iter().map(|fetch| fetch.end - fetch.start).sum();

    // One layer's worth of length arithmetic, twice.
    let opened = |len: u64| len - HEADER - 16 * ((len - HEADER).div_ceil(16_400));
    let outer_len = opened(stored);
    let plaintext_len = if object.two_layers { opened(outer_len) } else { outer_len };
    let to_end = object.decryptor.plaintext_len().is_none() && asked.hangs_on_the_end(plaintext_len);
    let (first, mut last) = match asked.within(plaintext_len) {
        Some((start, end)) => (start, end.saturating_sub(1)),
        None => (plaintext_len, plaintext_len),
    };
    if to_end {
        last = plaintext_len;
    }
    let mut needed = sealed_chunks(plaintext_len, first, last);
    if object.two_layers {
        let (from, to) = needed;
        needed = sealed_chunks(outer_len, from, if to_end { outer_len } else { to - 1 });
    }
    let (from, to) = needed;
    assert!(fetched <= to - from, "{fetched} bytes where {} do", to - from);
    assert_eq!(plan.fetches().len(), 1, "nothing is crossed");
}

fn assert_not_satisfiable(error: &Error, len: u64) {
    assert!(matches!(error, Error::RangeNotSatisfiable { plaintext_len, .. } if *plaintext_len == len), "{error:?}");
}

fn assert_inauthentic(result: Result<Vec<u8>, Error>) {
    assert!(matches!(result, Err(Error::Inauthentic)), "{result:?}");
}

struct Object {
    plaintext: Vec<u8>,
    body: Vec<u8>,
    decryptor: Decryptor,
    two_layers: bool,
}

impl Object {
    fn fetch(&self, plan: &RangePlan) -> Vec<u8> {
        let piece = |fetch: &std::ops::Range<u64>| self.body[fetch.start as usize..fetch.end as usize].to_vec();
        plan.fetches().iter().flat_map(piece).collect()
    }
}

/// Objects are made once for each shape.
fn object(two_layers: bool, known: bool, plaintext_len: u64) -> Rc<Object> {
    thread_local! {
        static SSE: Sse = sse(Backend::fastest(), "fuzz", 1, [1; 32], [2; 32]).expect("a keyring");
        static OBJECTS: RefCell<HashMap<(bool, bool, u64), Rc<Object>>> = RefCell::default();
    }
    let shape = (two_layers, known, plaintext_len);
    if let Some(object) = OBJECTS.with_borrow(|objects| objects.get(&shape).cloned()) {
        return object;
    }
    let object = Rc::new(SSE.with(|sse| encrypt(sse, two_layers, known, plaintext_len)));
    OBJECTS.with_borrow_mut(|objects| {
        if objects.len() > 1_000 {
            objects.clear();
        }
        objects.insert(shape, object.clone());
    });
    object
}

fn encrypt(sse: &Sse, two_layers: bool, known: bool, plaintext_len: u64) -> Object {
    let name = ObjectName::unbound();
    let plaintext: Vec<u8> = (0..plaintext_len).map(|i| (7 * i + 13 * (i / 256) + 1) as u8).collect();
    let mode = if two_layers { DsseKms::new("fuzz").into() } else { atrest::AnyMode::from(SseS3) };
    let (envelope, mut encryptor) = if known {
        sse.blocking().encryptor_of_len(&name, mode, plaintext_len)
    } else {
        sse.blocking().encryptor(&name, mode)
    }
    .expect("nothing is missing");
    let mut body = bytes::BytesMut::new();
    encryptor.push(&plaintext, &mut body).expect("encrypts");
    encryptor.finish_into(&mut body).expect("encrypts");
    let decryptor = sse.blocking().decryptor(&name, &envelope, Unlock::Server).expect("its own");
    Object { plaintext, body: body.to_vec(), decryptor, two_layers }
}
