//! Test kit: a service with an audit trail, and every audited operation.

use std::sync::Arc;

use atrest::audit::{AuditEvent, AuditOperation, AuditSink, AuditTrail, MemorySink};
use atrest::multipart::Upload;
use atrest::{
    AnyMode, Backend, DsseKms, Encrypted, EncryptionContext, Expected, KmsKeys, ModeId, ObjectName, Requester, Result,
    Rewrap, Sse, SseBuilder, SseKms, SseS3, Unlock,
};

use atrest_kit::parts::{Part, attempt};
use atrest_kit::{Faulty, KMS_KEY, Service, TableKms, name};

pub(crate) const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

/// A service with a trail in memory, on behalf of Alice.
pub(crate) struct Audited {
    pub(crate) service: Service,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) gate: Arc<Faulty<TableKms>>,
}

impl Audited {
    pub(crate) fn new() -> Self {
        let (sink, gate) = (Arc::new(MemorySink::new()), Faulty::new(Arc::new(TableKms::default())));
        let mut service = Service::with(|builder| {
            let builder = builder.kms(gate.clone(), KmsKeys::only([KMS_KEY]));
            builder.audit(AuditTrail::new(sink.clone()))
        });
        service.sse = service.sse.requested_by(Requester::new(ALICE));
        Self { service, sink, gate }
    }

    /// A service with the same keys and no trail, for objects that must exist before the test.
    pub(crate) fn silent(&self) -> Service {
        self.with_trail(|builder| builder)
    }

    /// A service with the same keys and another sink.
    pub(crate) fn recording_into(&self, sink: Arc<dyn AuditSink>) -> Service {
        self.with_trail(|builder| builder.audit(AuditTrail::new(sink)))
    }

    pub(crate) fn with_trail(&self, change: impl FnOnce(SseBuilder) -> SseBuilder) -> Service {
        let builder = Sse::builder().keyring(self.service.keyring.clone());
        let builder = builder.kms(self.gate.clone(), KmsKeys::only([KMS_KEY]));
        Service {
            sse: change(builder).build().unwrap().requested_by(Requester::new(ALICE)),
            keyring: self.service.keyring.clone(),
            kms: self.service.kms.clone(),
            customer_key: self.service.customer_key.clone(),
        }
    }

    /// The modes of this build, those under a KMS key with a context.
    pub(crate) fn modes(&self) -> Vec<AnyMode> {
        let mut modes = vec![AnyMode::from(SseS3), SseKms::new("alias/app").with_context(context()).into()];
        modes.push(self.service.sse_c());
        if Backend::available().count() > 1 {
            modes.push(DsseKms::new("alias/app").with_context(context()).into());
        }
        modes
    }

    /// The only event since the last time.
    pub(crate) fn event(&self) -> AuditEvent {
        let events = self.sink.events();
        self.sink.clear();
        assert_eq!(events.len(), 1, "{events:#?}");
        events.into_iter().next().unwrap()
    }

    /// The key that an event of this mode names, with its version.
    pub(crate) fn key(&self, mode: ModeId) -> (Option<String>, Option<u32>) {
        match mode {
            ModeId::SseS3 => (Some(self.service.keyring.key_id()), Some(self.service.keyring.primary())),
            ModeId::SseKms | ModeId::DsseKms => (Some(KMS_KEY.into()), None),
            _ => (None, None),
        }
    }
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::new().with("team", "the-team-of-photos").unwrap()
}

pub(crate) fn moved() -> ObjectName {
    ObjectName::new("photos", "2027/cat.jpg").unwrap()
}

/// The objects of the calls, written beforehand by a service with the same keys and no trail.
pub(crate) struct World {
    service: Service,
    mode: AnyMode,
    stored: Encrypted,
    upload: Upload,
    parts: Vec<Part>,
}

impl World {
    pub(crate) fn new(service: Service, mode: &AnyMode) -> Self {
        let stored = service.sse.blocking().encrypt(&name(), mode.clone(), b"meow").unwrap();
        let upload = service.begin(&name(), mode);
        let parts = vec![attempt(&upload, 1, 0, 10)];
        Self { service, mode: mode.clone(), stored, upload, parts }
    }

    fn unlock(&self) -> Unlock<'_> {
        self.service.unlock(self.mode.id())
    }
}

/// The name of a call, its operation in the trail, and the call.
pub(crate) type Call = (&'static str, AuditOperation, fn(&Sse, &World) -> Result<()>);

/// Every call of an `Sse` that emits an event.
pub(crate) const CALLS: [Call; 14] = [
    ("encrypt", AuditOperation::EncryptObject, |sse, world| {
        sse.blocking().encrypt(&name(), world.mode.clone(), b"meow").map(drop)
    }),
    ("encryptor", AuditOperation::EncryptObject, |sse, world| {
        sse.blocking().encryptor(&name(), world.mode.clone()).map(drop)
    }),
    ("encryptor_of_len", AuditOperation::EncryptObject, |sse, world| {
        sse.blocking().encryptor_of_len(&name(), world.mode.clone(), 4).map(drop)
    }),
    ("decrypt", AuditOperation::DecryptObject, |sse, world| {
        sse.blocking().decrypt(&name(), &world.stored, world.unlock()).map(drop)
    }),
    ("decryptor", AuditOperation::DecryptObject, |sse, world| {
        sse.blocking().decryptor(&name(), &world.stored.envelope, world.unlock()).map(drop)
    }),
    ("read_again", AuditOperation::DecryptObject, |sse, world| {
        sse.blocking().read_again(&name(), &world.stored.envelope, world.unlock())
    }),
    ("rewrap", AuditOperation::RewrapObject, |sse, world| {
        sse.blocking().rewrap(Rewrap::of(&name(), &world.stored.envelope, world.unlock())).map(drop)
    }),
    ("rewrap of both layers", AuditOperation::RewrapObject, |sse, world| {
        sse.blocking().rewrap(Rewrap::of(&name(), &world.stored.envelope, world.unlock()).both_layers()).map(drop)
    }),
    ("rewrap of an upload", AuditOperation::RewrapObject, |sse, world| {
        sse.blocking().rewrap(Rewrap::upload(&name(), b"upload-1", world.upload.envelope(), world.unlock())).map(drop)
    }),
    ("rewrap to", AuditOperation::RewrapObject, |sse, world| {
        let (envelope, mode) = (&world.stored.envelope, world.mode.clone());
        sse.blocking().rewrap(Rewrap::of(&name(), envelope, world.unlock()).to(&name(), mode)).map(drop)
    }),
    ("rewrap to, across a customer key", AuditOperation::RewrapObject, |sse, world| {
        let (envelope, mode) = (&world.stored.envelope, world.mode.clone());
        sse.blocking()
            .rewrap(Rewrap::of(&name(), envelope, world.unlock()).to(&name(), mode).across_customer_key())
            .map(drop)
    }),
    ("begin_multipart", AuditOperation::BeginMultipart, |sse, world| {
        sse.blocking().begin_multipart(&name(), b"upload-1", world.mode.clone()).map(drop)
    }),
    ("resume_multipart", AuditOperation::ResumeMultipart, |sse, world| {
        let envelope = world.upload.envelope();
        let expected = Expected::exactly(envelope);
        sse.blocking().resume_multipart(&name(), b"upload-1", envelope, &expected, world.unlock()).map(drop)
    }),
    ("complete_multipart", AuditOperation::CompleteMultipart, |sse, world| {
        let parts = world.parts.iter().map(Part::listed);
        sse.blocking().complete_multipart(&world.upload, world.unlock(), parts).map(drop)
    }),
];

/// Returns whether the caller names the key, and not an envelope.
pub(crate) fn names_its_key(what: &str) -> bool {
    what.starts_with("encrypt") || what.starts_with("rewrap to") || what == "begin_multipart"
}
