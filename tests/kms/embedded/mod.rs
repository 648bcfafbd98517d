//! The embedded KMS (`EmbeddedKms`): permissions, the stored file, and faults.

mod audit;
mod blocked;
mod faults;
mod keys;
mod kit;
mod objects;
mod opening;
mod payload;
mod table;
mod time;
mod transfer;

use std::sync::Arc;

use atrest::Requester;
use atrest::audit::{AuditTrail, MemorySink};
use atrest::kms::{KeyPolicy, NewKey, Permission, Resilient};
use atrest::testing::KeyProviderSuite;
use kit::Store;

#[test]
fn the_embedded_kms_conforms_by_alias_id_and_arn_bare_and_behind_resilience() {
    let trail = AuditTrail::new(Arc::new(MemorySink::new()));
    let store = Store::built(|builder| builder.audit(trail));
    let alice = Requester::new("alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    let admin = store.admin();
    let one = admin.create_key(NewKey::new().alias("alias/one").policy(policy.clone())).unwrap();
    let two = admin.create_key(NewKey::new().policy(policy.clone())).unwrap();
    let kms = Arc::new(store.kms.clone());
    let set_policy = |policy: KeyPolicy| {
        let admin = store.admin();
        move |key: &str| admin.set_policy(key, Some(policy.clone())).unwrap()
    };
    for named in ["alias/one", &*one.id, &*one.arn] {
        let (off, on, another) = (store.admin(), store.admin(), store.kms.clone());
        let suite = KeyProviderSuite::new(kms.clone(), named, "alias/none")
            .other_key_id(&two.arn)
            .requested_by(alice.clone())
            .forbidden_requester(Requester::new("mallory"))
            .disabled_by(move |key| off.disable_key(key).unwrap(), move |key| on.enable_key(key).unwrap())
            .revoked_by(set_policy(KeyPolicy::new()), set_policy(policy.clone()))
            .made_by(move || Arc::new(another.clone()));
        suite.run();
        suite.behind("resilience", |kms| Arc::new(Resilient::new(kms))).run();
    }
}
