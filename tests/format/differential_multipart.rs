//! Multipart objects of the library against the oracle in `tests/reference`: from the same randomness both write the
//! same bytes, each resumes and completes uploads of the other, and each reads what the other wrote.

use atrest::multipart::{CompletedPart, Receipt, Upload};
use atrest::{Backend, Encrypted, Envelope, Expected, PartNumber, Sse, Unlock};
use atrest_reference::envelope::{DSSE_KMS, SSE_C};
use atrest_reference::multipart::open_receipt;
use atrest_reference::object::Write;
use atrest_reference::upload::{self, Completed, Uploaded, begin, complete};
use atrest_reference::{Error, value};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use atrest_kit::sample::{Sample, modes, write_of_mode};
use atrest_kit::{C, Playback, Steps, backends, read_streamed};

const ID: &[u8] = b"upload \xFF 1";

/// An upload as the oracle writes it, with its parts and their labels.
#[derive(Clone, Debug)]
struct Case {
    write: Write,
    parts: Vec<Uploaded>,
    labels: Vec<Vec<u8>>,
    /// The salts of the receipts.
    salts: Vec<[[u8; 24]; 2]>,
}

fn case() -> impl Strategy<Value = Case> {
    let len = prop_oneof![select(vec![0, 1, C - 1, C, C + 1, 2 * C]), 0..40_000_usize];
    let part = (len, any::<[[u8; 24]; 2]>(), vec(any::<u8>(), 0..256), any::<[[u8; 24]; 2]>());
    // Of each layer: a data key of its own, so that no two cases ever share a key and a nonce.
    let random = any::<[([u8; 32], [u8; 32], [u8; 24]); 2]>();
    (select(modes()), random, any::<bool>(), any::<bool>(), btree_map(1..u32::MAX, part, 1..5)).prop_map(
        |(mode, random, bound, fixed, parts)| {
            let mut write = write_of_mode(mode, 0);
            for (layer, random) in [Some(&mut write.outer), write.inner.as_mut()].into_iter().flatten().zip(random) {
                (layer.wrap_salt, layer.data_key, layer.message_salt) = random;
            }
            if !bound {
                write.name = None;
            }
            write.envelope_len = fixed.then_some(1_500);
            let layers = if mode == DSSE_KMS { 2 } else { 1 };
            let mut case = Case { write, parts: vec![], labels: vec![], salts: vec![] };
            for (number, (len, salts, label, receipt_salts)) in parts {
                case.parts.push((number, atrest_kit::plain(len), salts[..layers].to_vec()));
                case.labels.push(label);
                case.salts.push(receipt_salts);
            }
            case
        },
    )
}

impl Case {
    fn sample(&self) -> Sample {
        let mut write = self.write.clone();
        write.envelope_len = None;
        Sample { write: self.write.clone(), ..Sample::new(write, Vec::new()) }
    }

    fn id(&self) -> &'static [u8] {
        if self.write.name.is_some() { ID } else { b"" }
    }

    fn receipt(&self, at: usize) -> Vec<u8> {
        let layers = self.write.layers().len();
        let keys = self.write.data_keys();
        upload::receipt(&keys, &self.parts[at], &self.labels[at], &self.salts[at][..layers])
    }

    fn plaintext(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|(_, plaintext, _)| plaintext.clone()).collect()
    }

    /// The library with this case's keys, and this randomness or its own.
    fn sse(&self, backend: Backend, drawn: Option<&[u8]>) -> (Sse, Playback) {
        let (sample, playback) = (self.sample(), Playback::of(drawn.unwrap_or_default()));
        let mut builder = sample.builder(backend);
        if drawn.is_some() {
            let generator = playback.clone();
            builder = builder.generator(move || generator.clone());
        }
        (builder.build().unwrap(), playback)
    }

    fn with_unlock<T>(&self, run: impl FnOnce(Unlock<'_>) -> T) -> T {
        let key = self.sample().customer_key();
        run(if self.write.mode == SSE_C { Unlock::CustomerKey(&key) } else { Unlock::Server })
    }

    fn resume(&self, sse: &Sse) -> Upload {
        let envelope = Envelope::decode(&begin(&self.write, self.id()).unwrap()).unwrap();
        let expected = Expected::exactly(&envelope);
        let object = self.sample().object();
        self.with_unlock(|unlock| sse.blocking().resume_multipart(&object, self.id(), &envelope, &expected, unlock))
            .unwrap()
    }

    /// The random bytes that the library draws to begin, for the parts, and to complete.
    fn randomness(&self) -> [Vec<u8>; 3] {
        let layers = self.write.layers();
        let begin = layers.iter().flat_map(|layer| [layer.wrap_salt, layer.data_key].concat());
        let part = |at: usize| [self.parts[at].2.concat(), self.salts[at][..layers.len()].concat()].concat();
        let manifest = layers.iter().flat_map(|layer| layer.message_salt);
        let wraps = layers.iter().rev().flat_map(|layer| layer.wrap_salt);
        [begin.collect(), (0..self.parts.len()).flat_map(part).collect(), manifest.chain(wraps).collect()]
    }
}

/// The library's completion of stored parts.
fn completed(case: &Case, sse: &Sse, upload: &Upload, parts: &[(Vec<u8>, Receipt)]) -> Completed {
    let listed = case.parts.iter().zip(&case.labels).zip(parts).map(|((part, label), (stored, receipt))| {
        CompletedPart::new(PartNumber::any(part.0).unwrap(), label, receipt, stored)
    });
    let completed = case.with_unlock(|unlock| sse.blocking().complete_multipart(upload, unlock, listed)).unwrap();
    let body = parts.iter().flat_map(|(stored, _)| stored.clone()).collect();
    Completed { envelope: completed.envelope.encode(), manifest: completed.manifest, body }
}

fn encrypted(case: &Case, upload: &Upload) -> Vec<(Vec<u8>, Receipt)> {
    let encrypt = |((number, plaintext, _), label): (&Uploaded, &Vec<u8>)| {
        upload.encrypt_part(PartNumber::any(*number).unwrap(), plaintext, label).unwrap()
    };
    case.parts.iter().zip(&case.labels).map(encrypt).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn from_the_same_randomness_both_write_the_same_bytes(case in case()) {
        for backend in backends() {
            let (sse, playback) = case.sse(backend, Some(&case.randomness().concat()));
            let sample = case.sample();
            let upload = sse.blocking().begin_multipart(&sample.object(), case.id(), sample.mode()).unwrap();
            prop_assert_eq!(upload.envelope().encode(), begin(&case.write, case.id()).unwrap());
            let parts = encrypted(&case, &upload);
            for (at, (stored, receipt)) in parts.iter().enumerate() {
                prop_assert!(*stored == upload::part(&case.write.data_keys(), &case.parts[at]));
                prop_assert_eq!(receipt.as_bytes(), case.receipt(at));
            }
            let made = completed(&case, &sse, &upload, &parts);
            prop_assert!(made == complete(&case.write, &case.parts).unwrap());
            prop_assert!(playback.is_used_up());
        }
    }

    #[test]
    fn what_the_library_writes_with_its_own_randomness_the_oracle_opens(case in case()) {
        for backend in backends() {
            let (sse, _) = case.sse(backend, None);
            let sample = case.sample();
            let upload = sse.blocking().begin_multipart(&sample.object(), case.id(), sample.mode()).unwrap();
            let keys = sample.reader().resume(&upload.envelope().encode(), case.id()).unwrap();
            let parts = encrypted(&case, &upload);
            for (at, (_, receipt)) in parts.iter().enumerate() {
                let opened = open_receipt(&keys, receipt.as_bytes()).unwrap();
                prop_assert_eq!((opened.number, &opened.label), (case.parts[at].0, &case.labels[at]));
            }
            let sealed = upload.values().seal("md5", b"of the upload").unwrap();
            prop_assert_eq!(value::open(&keys, &[0; 24], "md5", sealed.as_bytes()), Ok(b"of the upload".to_vec()));
            let made = completed(&case, &sse, &upload, &parts);
            let opened = sample.reader().decrypt(&made.envelope, Some(&made.manifest), &made.body);
            prop_assert!(opened == Ok(case.plaintext()));
            prop_assert_eq!(sample.reader().decrypt(&made.envelope, None, &made.body), Err(Error::ManifestRequired));
        }
    }

    #[test]
    fn what_the_oracle_writes_the_library_opens_and_completes(case in case(), input in 1..40_000_usize) {
        let stored = complete(&case.write, &case.parts).unwrap();
        for backend in backends() {
            let (sse, _) = case.sse(backend, None);
            let sample = case.sample();
            let envelope = Envelope::decode(&stored.envelope).unwrap();
            let decryptor = sample.decryptor(&sse, &stored.envelope).unwrap().with_manifest(&stored.manifest).unwrap();
            let read = read_streamed(&decryptor, &stored.body, &Steps::of(input)).into_result().unwrap();
            prop_assert!(read == case.plaintext());
            let whole = Encrypted::new(envelope, stored.body.clone()).with_manifest(stored.manifest.clone());
            let whole = case.with_unlock(|unlock| sse.blocking().decrypt(&sample.object(), &whole, unlock)).unwrap();
            prop_assert!(whole == case.plaintext());
            // An upload of the oracle's, completed here from its receipts.
            let upload = case.resume(&sse);
            let keys = case.write.data_keys();
            let part = |at: usize| (upload::part(&keys, &case.parts[at]), Receipt::from_bytes(case.receipt(at)));
            let parts: Vec<_> = (0..case.parts.len()).map(part).collect();
            let made = completed(&case, &sse, &upload, &parts);
            prop_assert!(made.body == stored.body && made.manifest != stored.manifest);
            let opened = sample.reader().decrypt(&made.envelope, Some(&made.manifest), &made.body);
            prop_assert!(opened == Ok(case.plaintext()));
        }
    }

    #[test]
    fn a_manifest_and_body_with_any_change_are_refused_by_both(
        case in case(),
        in_manifest in any::<bool>(),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let Completed { envelope, mut manifest, mut body } = complete(&case.write, &case.parts).unwrap();
        let changed = if in_manifest { &mut manifest } else { &mut body };
        match cut {
            Some(cut) => changed.truncate(cut.index(changed.len())),
            None => {
                let at = at.index(changed.len());
                changed[at] ^= change;
            }
        }
        let sample = case.sample();
        let verdict = sample.reader().decrypt(&envelope, Some(&manifest), &body).unwrap_err().class();
        for backend in backends() {
            let (sse, _) = case.sse(backend, None);
            let stored = Encrypted::new(Envelope::decode(&envelope).unwrap(), body.clone()).with_manifest(manifest.clone());
            let refused = case.with_unlock(|unlock| sse.blocking().decrypt(&sample.object(), &stored, unlock));
            let class = atrest_kit::class(&refused.unwrap_err());
            // A manifest's length is known, and one that is cut is another; a body that ends within a part is either.
            let either = ["Truncated", "Inauthentic"];
            prop_assert!(class == verdict || either.contains(&&*class) && either.contains(&&*verdict), "{} {}", class, verdict);
        }
    }
}
