//! Rewraps: the data stays unchanged, and forbidden rewraps are refused.

use std::sync::Arc;

use atrest::error::{CustomerKeyError, Limit, Misuse, Unexpected};
use atrest::testing::MemoryKms;
use atrest::{
    Access, AnyMode, CustomerKey, DsseKms, Encrypted, EncryptionContext, Envelope, Error, Expected,
    KeyProviderErrorKind, Keyring, KmsKeys, ModeId, ObjectName, Rewrap, Sse, SseC, SseKms, SseS3, Unlock,
};

use atrest_kit::{Faults, Faulty, name, plain};

struct World {
    sse: Sse,
    kms: Arc<MemoryKms>,
    keyring: Keyring,
    key: Arc<CustomerKey>,
    other_key: Arc<CustomerKey>,
}

impl World {
    fn new() -> Self {
        let kms = Arc::new(MemoryKms::new());
        let ids = [kms.create_key("one").unwrap(), kms.create_key("two").unwrap()];
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let sse = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only(ids)).build().unwrap();
        let key = || Arc::new(CustomerKey::generate().unwrap());
        Self { sse, kms, keyring, key: key(), other_key: key() }
    }

    fn modes(&self) -> Vec<AnyMode> {
        let context = EncryptionContext::new().with("team", "photos").unwrap();
        let mut modes: Vec<AnyMode> =
            vec![SseS3.into(), SseKms::new(ONE).with_context(context).into(), SseC::new(self.key.clone()).into()];
        if atrest::Backend::available().count() > 1 {
            modes.push(DsseKms::new(ONE).into());
        }
        modes
    }

    fn unlock(&self, mode: ModeId) -> Unlock<'_> {
        if mode == ModeId::SseC { Unlock::CustomerKey(&self.key) } else { Unlock::Server }
    }

    fn opens(&self, object: &ObjectName, envelope: &Envelope, body: &[u8], unlock: Unlock<'_>) {
        let stored = Encrypted::new(envelope.clone(), body);
        assert_eq!(self.sse.blocking().decrypt(object, &stored, unlock).unwrap(), plain(40_000));
    }
}

const ONE: &str = "memory-kms:key/one";
const TWO: &str = "memory-kms:key/two";

#[test]
fn a_rewrap_in_every_mode_leaves_the_body_as_it_is_and_opens_it() {
    let world = World::new();
    for mode in world.modes() {
        let id = mode.id();
        let stored = world.sse.blocking().encrypt(&name(), mode, &plain(40_000)).unwrap();
        world.keyring.blocking().rotate().unwrap();
        let needs = world.sse.needs_rewrap(&stored.envelope);
        assert_eq!(needs, matches!(id, ModeId::SseS3 | ModeId::DsseKms), "{id}");
        let fresh = world.sse.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, world.unlock(id))).unwrap();
        assert!(fresh != stored.envelope && !world.sse.needs_rewrap(&fresh), "{id}");
        assert_eq!(fresh.context(), stored.envelope.context());
        assert_eq!(fresh.plaintext_len(), Some(40_000));
        world.opens(&name(), &fresh, &stored.ciphertext, world.unlock(id));
        // A rewrap revokes nothing.
        world.opens(&name(), &stored.envelope, &stored.ciphertext, world.unlock(id));
    }
}

#[test]
fn rewrapping_dsse_touches_the_outer_layer_alone_unless_both_are_asked_for() {
    let world = World::new();
    let stored = world.sse.blocking().encrypt(&name(), DsseKms::new(ONE), &plain(40_000)).unwrap();
    let calls = world.kms.calls();
    world.keyring.blocking().rotate().unwrap();
    let outer = world.sse.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap();
    assert_eq!(world.kms.calls(), calls, "the KMS is not asked");
    assert_eq!(outer.inner(), stored.envelope.inner());
    let both = world.sse.blocking().rewrap(Rewrap::of(&name(), &outer, Unlock::Server).both_layers()).unwrap();
    assert_ne!(both.inner(), outer.inner());
    for envelope in [outer, both] {
        world.opens(&name(), &envelope, &stored.ciphertext, Unlock::Server);
    }
}

#[test]
fn a_rename_binds_to_the_new_name_in_every_mode() {
    let world = World::new();
    let renamed = ObjectName::new("photos", "2026/dog.jpg").unwrap().with_realm("7").unwrap();
    for mode in world.modes() {
        let (id, again) = (mode.id(), mode.clone());
        let stored = world.sse.blocking().encrypt(&name(), mode, &plain(40_000)).unwrap();
        let unlock = world.unlock(id);
        let fresh =
            world.sse.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, unlock).to(&renamed, again)).unwrap();
        world.opens(&renamed, &fresh, &stored.ciphertext, unlock);
        let moved = Encrypted::new(fresh, stored.ciphertext);
        let refused = world.sse.blocking().decrypt(&name(), &moved, unlock).unwrap_err();
        assert!(matches!(refused, Error::Inauthentic | Error::KeyProvider(_)), "{id}: {refused:?}");
    }
}

#[test]
fn modes_of_one_layer_change_into_each_other_and_dsse_takes_new_encryption() {
    let world = World::new();
    let blocking = world.sse.blocking();
    let s3 = blocking.encrypt(&name(), SseS3, &plain(40_000)).unwrap();
    let kms = blocking.rewrap(Rewrap::of(&name(), &s3.envelope, Unlock::Server).to(&name(), SseKms::new(TWO))).unwrap();
    assert_eq!((kms.mode(), kms.key_id(), kms.key_version()), (ModeId::SseKms, Some(TWO), None));
    world.opens(&name(), &kms, &s3.ciphertext, Unlock::Server);
    let back = blocking.rewrap(Rewrap::of(&name(), &kms, Unlock::Server).to(&name(), SseS3)).unwrap();
    world.opens(&name(), &back, &s3.ciphertext, Unlock::Server);
    let layers = |error| matches!(error, Error::Misuse(Misuse::RewrapChangesLayers));
    let into = blocking.rewrap(Rewrap::of(&name(), &back, Unlock::Server).to(&name(), DsseKms::new(ONE)));
    assert!(layers(into.unwrap_err()));
    let dsse = blocking.encrypt(&name(), DsseKms::new(ONE), &plain(40_000)).unwrap();
    let out_of = blocking.rewrap(Rewrap::of(&name(), &dsse.envelope, Unlock::Server).to(&name(), SseS3));
    assert!(layers(out_of.unwrap_err()));
    let other_key =
        blocking.rewrap(Rewrap::of(&name(), &dsse.envelope, Unlock::Server).to(&name(), DsseKms::new(TWO))).unwrap();
    assert_eq!(other_key.inner().unwrap().key_id(), Some(TWO));
    world.opens(&name(), &other_key, &dsse.ciphertext, Unlock::Server);
}

#[test]
fn entering_or_leaving_sse_c_needs_the_explicit_word_and_a_new_customer_key_does_not() {
    let world = World::new();
    let blocking = world.sse.blocking();
    let crosses = |error| matches!(error, Error::Misuse(Misuse::RewrapCrossesCustomerKey));
    let s3 = blocking.encrypt(&name(), SseS3, &plain(40_000)).unwrap();
    let entering = || SseC::new(world.key.clone());
    assert!(crosses(
        blocking.rewrap(Rewrap::of(&name(), &s3.envelope, Unlock::Server).to(&name(), entering())).unwrap_err()
    ));
    let c = blocking
        .rewrap(Rewrap::of(&name(), &s3.envelope, Unlock::Server).to(&name(), entering()).across_customer_key())
        .unwrap();
    world.opens(&name(), &c, &s3.ciphertext, Unlock::CustomerKey(&world.key));

    let unlock = Unlock::CustomerKey(&world.key);
    let other =
        blocking.rewrap(Rewrap::of(&name(), &c, unlock).to(&name(), SseC::new(world.other_key.clone()))).unwrap();
    world.opens(&name(), &other, &s3.ciphertext, Unlock::CustomerKey(&world.other_key));
    let old_key = blocking.decryptor(&name(), &other, unlock).unwrap_err();
    assert!(matches!(old_key, Error::CustomerKey(CustomerKeyError::Mismatch)));

    assert!(crosses(blocking.rewrap(Rewrap::of(&name(), &c, unlock).to(&name(), SseS3)).unwrap_err()));
    let left = blocking.rewrap(Rewrap::of(&name(), &c, unlock).to(&name(), SseS3).across_customer_key()).unwrap();
    world.opens(&name(), &left, &s3.ciphertext, Unlock::Server);
}

#[test]
fn a_rewrap_is_a_reader_and_a_writer_too() {
    let world = World::new();
    let blocking = world.sse.blocking();
    let stored = blocking.encrypt(&name(), SseKms::new(ONE), &plain(40_000)).unwrap();
    let only_two = world.sse.expecting(Expected::new().with_kms_keys(KmsKeys::only([TWO])));
    let unexpected = |error| matches!(error, Error::Unexpected(Unexpected::KmsKey));
    assert!(unexpected(only_two.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap_err()));
    let access = Access::new(Expected::new().with_kms_keys(KmsKeys::only([TWO])));
    assert!(unexpected(blocking.rewrap(Rewrap::of(&name(), &stored.envelope, access.unlock())).unwrap_err()));
    assert!(unexpected(blocking.decryptor(&name(), &stored.envelope, access.unlock()).unwrap_err()));
    // What is expected is of the envelope that is read; the new one is held against the builder.
    let only_this =
        world.sse.expecting(Expected::new().with_modes([ModeId::SseKms]).with_kms_keys(KmsKeys::only([ONE])));
    let read_as_this = only_this.blocking();
    let into_two = read_as_this
        .rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&name(), SseKms::new(TWO)))
        .unwrap();
    assert!(unexpected(read_as_this.rewrap(Rewrap::of(&name(), &into_two, Unlock::Server)).unwrap_err()));
    read_as_this.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&name(), SseS3)).unwrap();
    let builder = Sse::builder().kms(world.kms.clone(), KmsKeys::only([ONE])).build().unwrap().blocking();
    let into_two = builder.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&name(), SseKms::new(TWO)));
    assert!(unexpected(into_two.unwrap_err()));
    let into_s3 = builder.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&name(), SseS3));
    assert!(matches!(into_s3, Err(Error::Unexpected(Unexpected::Mode))));
    // An envelope that an attacker planted is unexpected, whatever else is wrong with the call.
    for planted in [SseC::new(world.key.clone()).into(), AnyMode::from(DsseKms::new(ONE))] {
        if planted.id() == ModeId::DsseKms && atrest::Backend::available().count() == 1 {
            continue;
        }
        let planted = blocking.encrypt(&name(), planted, b"planted").unwrap().envelope;
        let refused =
            read_as_this.rewrap(Rewrap::of(&name(), &planted, Unlock::Server).to(&name(), SseS3)).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::Mode)), "{refused:?}");
    }
    let another = ObjectName::new("photos", "another").unwrap();
    assert!(blocking.rewrap(Rewrap::of(&another, &stored.envelope, Unlock::Server)).is_err());
}

#[test]
fn a_kms_that_answers_a_rewrap_with_another_key_is_refused() {
    let world = World::new();
    let stored = world.sse.blocking().encrypt(&name(), SseKms::new(ONE), b"meow").unwrap();
    let moving = Faulty::with(world.kms.clone(), Faults { generates_under: Some(TWO.to_owned()), ..Faults::default() });
    let moving = Sse::builder().kms(moving, KmsKeys::all()).build().unwrap();
    let refused = moving.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap_err();
    assert!(matches!(refused, Error::KeyProvider(error) if error.kind() == KeyProviderErrorKind::WrongKey));
}

#[test]
fn a_padded_envelope_keeps_its_length_unless_another_is_given() {
    let world = World::new();
    let build = |len| {
        let builder = Sse::builder().keyring(world.keyring.clone()).kms(world.kms.clone(), KmsKeys::all());
        builder.envelope_len(len).build().unwrap().blocking()
    };
    let stored = build(700).encrypt(&name(), SseS3, b"meow").unwrap();
    assert_eq!(stored.envelope.encode().len(), 700);
    let kept = world.sse.blocking().rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap();
    let wider = build(900).rewrap(Rewrap::of(&name(), &kept, Unlock::Server)).unwrap();
    assert_eq!((kept.encode().len(), wider.encode().len()), (700, 900));
    let long = EncryptionContext::new().with("x", "y".repeat(800)).unwrap();
    let mode = SseKms::new(ONE).with_context(long);
    let refused =
        world.sse.blocking().rewrap(Rewrap::of(&name(), &kept, Unlock::Server).to(&name(), mode)).unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::EnvelopeLen(700))));
}

#[test]
fn a_fixed_length_fits_to_the_byte_or_is_refused() {
    let world = World::new();
    let natural = world.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap().envelope.encode().len();
    for (len, fits) in [(natural - 1, false), (natural + 3, false), (natural + 4, true), (natural + 5, true)] {
        let sse = Sse::builder().keyring(world.keyring.clone()).envelope_len(len).build().unwrap();
        match sse.blocking().encrypt(&name(), SseS3, b"meow") {
            Ok(stored) => assert!(fits && stored.envelope.encode().len() == len),
            Err(error) => assert!(!fits && matches!(error, Error::LimitExceeded(Limit::EnvelopeLen(_)))),
        }
    }
}
