//! Bucket keys: one call of the KMS for many objects, what shares a key and what does not, and for how long.

#[cfg(feature = "embedded-kms")]
mod changes;
mod doubts;
mod in_flight;
mod limits;
mod on_record;
mod runtimes;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use atrest::{
    BucketKeys, Encrypted, EncryptionContext, Error, KeyProviderErrorKind as Kind, Keyring, KmsKeys, ObjectName,
    Requester, Result, Sse, SseBuilder, SseKms, Unlock,
};
use atrest_kit::ManualTime;

use crate::scripted::Scripted;

const MINUTE: Duration = Duration::from_secs(60);

/// A service on a scripted KMS, in simulated time.
struct World {
    time: ManualTime,
    kms: Arc<Scripted>,
    sse: Sse,
}

impl World {
    fn new() -> Self {
        Self::with(BucketKeys::new())
    }

    fn with(limits: BucketKeys) -> Self {
        let time = ManualTime::new();
        let kms = Scripted::new(&time);
        let sse = builder(&time).bucket_keys(limits).kms(kms.clone(), KmsKeys::only([&*kms.key_id]));
        Self { sse: sse.build().unwrap(), time, kms }
    }

    fn of(&self, requester: &str) -> Sse {
        self.sse.requested_by(Requester::new(requester))
    }

    fn put(&self, object: &ObjectName) -> Result<Encrypted> {
        put(&self.time, &self.sse, object)
    }

    fn get(&self, object: &ObjectName, stored: &Encrypted) -> Result<Vec<u8>> {
        get(&self.time, &self.sse, object, stored)
    }

    /// The calls of the KMS so far: generates and unwraps.
    fn calls(&self) -> (u64, u64) {
        let calls = self.kms.kms.calls();
        (calls.generate, calls.unwrap)
    }
}

fn builder(time: &ManualTime) -> SseBuilder {
    Sse::builder().keyring(Keyring::generate().unwrap()).clock(Arc::new(time.clone()))
}

fn put(time: &ManualTime, sse: &Sse, object: &ObjectName) -> Result<Encrypted> {
    time.run(sse.encrypt(object, mode(), b"meow"))
}

fn get(time: &ManualTime, sse: &Sse, object: &ObjectName, stored: &Encrypted) -> Result<Vec<u8>> {
    time.run(sse.decrypt(object, stored, Unlock::Server))
}

fn mode() -> SseKms {
    SseKms::new("alias/app").with_bucket_key(true)
}

fn object(key: &str) -> ObjectName {
    ObjectName::new("photos", key).unwrap()
}

fn in_bucket(bucket: &str) -> ObjectName {
    ObjectName::new(bucket, "cat.jpg").unwrap()
}

fn context(value: &str) -> EncryptionContext {
    EncryptionContext::new().with("team", value).unwrap()
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    match result {
        Err(Error::KeyProvider(error)) => Some(error.kind()),
        _ => None,
    }
}
