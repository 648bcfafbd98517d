//! The embedded KMS (`EmbeddedKms`): permissions, the stored file, and faults.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "kms/audit.rs"]
mod audit;
#[path = "kms/blocked.rs"]
mod blocked;
#[path = "kms/faults.rs"]
mod faults;
#[path = "kms/keys.rs"]
mod keys;
#[path = "kms/kit.rs"]
mod kit;
#[path = "kms/objects.rs"]
mod objects;
#[path = "kms/opening.rs"]
mod opening;
#[path = "kms/payload.rs"]
mod payload;
#[path = "support/runtimes.rs"]
mod runtimes;
#[path = "kms/table.rs"]
mod table;
#[path = "kms/time.rs"]
mod time;
#[path = "kms/transfer.rs"]
mod transfer;

use std::sync::Arc;

use atrest::Requester;
use atrest::kms::{KeyPolicy, NewKey, Permission};
use atrest::testing::KeyProviderSuite;
use kit::Store;

#[test]
fn the_embedded_kms_is_a_key_provider_as_the_library_relies_on() {
    let store = Store::new();
    let alice = Requester::new("alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    let admin = store.admin();
    let one = admin.create_key(NewKey::new().alias("alias/one").policy(policy.clone())).unwrap();
    let two = admin.create_key(NewKey::new().policy(policy)).unwrap();
    let kms = Arc::new(store.kms.clone());
    for named in ["alias/one", &*one.id, &*one.arn] {
        let suite = KeyProviderSuite::new(kms.clone(), named, "alias/none").other_key_id(&two.arn);
        runtimes::conforms(&suite.requested_by(alice.clone()));
    }
}
