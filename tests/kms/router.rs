//! `Router`: several providers in one `Sse`, chosen by the scheme of the key id.

use std::sync::Arc;

use atrest::error::Misuse;
use atrest::kms::Router;
use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
use atrest::{
    EncryptionContext, Error, GeneratedKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind,
    KeyRequest, KmsKeys, ObjectName, Requester, Rewrap, Sse, SseKms, UNKNOWN_EPOCH, Unlock, UnwrappedKey, WrappedKey,
};
use pollster::block_on;

/// A memory KMS whose keys have another scheme.
struct OfScheme {
    scheme: &'static str,
    kms: Arc<MemoryKms>,
}

impl OfScheme {
    fn new(scheme: &'static str) -> Arc<Self> {
        let kms = Arc::new(MemoryKms::new());
        kms.create_key("app").unwrap();
        kms.alias("alias/app", "memory-kms:key/app");
        Arc::new(Self { scheme, kms })
    }

    fn inner(&self, request: &KeyRequest) -> KeyRequest {
        let key_id = request.key_id();
        let inner = key_id.strip_prefix(self.scheme).map_or(key_id.to_owned(), |rest| format!("memory-kms{rest}"));
        KeyRequest::new(&inner, request.context().clone(), request.requester().clone())
    }

    fn outer(&self, key_id: &str) -> String {
        key_id.replacen("memory-kms", self.scheme, 1)
    }
}

/// The error about the key as the request names it.
fn named(error: &KeyProviderError, request: &KeyRequest) -> KeyProviderError {
    KeyProviderError::new(error.kind(), request.key_id())
}

impl KeyProvider for OfScheme {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let generated = self.kms.clone().generate_key(self.inner(&request)).await;
            let generated = generated.map_err(|error| named(&error, &request))?;
            let (key_id, wrapped, kek) = generated.into_parts();
            Ok(GeneratedKey::new(self.outer(&key_id), wrapped.as_bytes(), kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let unwrapped = self.kms.clone().unwrap_key(wrapped, self.inner(&request)).await;
            let unwrapped = unwrapped.map_err(|error| named(&error, &request))?;
            let (key_id, kek) = unwrapped.into_parts();
            Ok(UnwrappedKey::new(self.outer(&key_id), kek))
        })
    }

    fn epoch(&self, _key_id: &str) -> u64 {
        self.scheme.len() as u64
    }
}

struct World {
    one: Arc<OfScheme>,
    two: Arc<OfScheme>,
    router: Arc<Router>,
}

fn world() -> World {
    let (one, two) = (OfScheme::new("one-kms"), OfScheme::new("two.kms+x"));
    let router = Router::new().with_default(one.clone());
    let router = router.with_route("one-kms", one.clone()).unwrap().with_route("two.kms+x", two.clone()).unwrap();
    World { one, two, router: Arc::new(router) }
}

fn generated(router: &Arc<Router>, key_id: &str) -> Result<String, Kind> {
    let request = KeyRequest::new(key_id, EncryptionContext::new(), Requester::anonymous());
    let generated = block_on(router.clone().generate_key(request));
    generated.map(|generated| generated.key_id().to_owned()).map_err(|error| error.kind())
}

#[test]
fn the_scheme_chooses_the_provider_and_a_name_without_one_goes_to_the_default() {
    let World { one, two, router } = world();
    assert_eq!(generated(&router, "one-kms:key/app").unwrap(), "one-kms:key/app");
    assert_eq!(generated(&router, "two.kms+x:key/app").unwrap(), "two.kms+x:key/app");
    assert_eq!(generated(&router, "alias/app").unwrap(), "one-kms:key/app");
    assert_eq!((one.kms.calls().generate, two.kms.calls().generate), (2, 1));
    // A colon alone makes no scheme: these names are the default provider's, which does not know them.
    for named in ["", "app", "alias/a:b", "1a:b", ":b", "a_b:c", "ä:b", " one-kms:key/app"] {
        let before = one.kms.calls().generate;
        assert_eq!(generated(&router, named), Err(Kind::NotFound), "{named:?}");
        assert_eq!(one.kms.calls().generate - before, 1, "{named:?}");
    }
}

#[test]
fn an_unknown_scheme_is_not_found_and_reaches_no_provider() {
    let World { one, two, router } = world();
    for named in ["three:key/app", "ONE-KMS:key/app", "one-kms", "one-kmsx:key/app", "one:kms", "two.kms:key/app"] {
        let reaches_default = !named.contains(':');
        let before = one.kms.calls().generate;
        assert_eq!(generated(&router, named), Err(Kind::NotFound), "{named}");
        assert_eq!(one.kms.calls().generate > before, reaches_default, "{named}");
        let request = KeyRequest::new(named, EncryptionContext::new(), Requester::anonymous());
        let unwrapped = block_on(router.clone().unwrap_key(WrappedKey::new(b"x".as_slice()), request));
        assert_eq!(unwrapped.unwrap_err().kind(), Kind::NotFound);
    }
    assert_eq!(two.kms.calls().generate, 0);
    assert_eq!((router.epoch("three:key/app"), router.epoch("two.kms+x:key/app")), (UNKNOWN_EPOCH, 9));
    assert_eq!(router.epoch("alias/app"), 7);
    // Without a default provider a name without a scheme is nobody's.
    let router = Arc::new(Router::new().with_route("one-kms", one).unwrap());
    assert_eq!(generated(&router, "alias/app"), Err(Kind::NotFound));
}

#[test]
fn the_longest_route_wins_so_that_two_regions_have_two_providers() {
    let (all, ireland) = (OfScheme::new("arn:aws:kms"), OfScheme::new("arn:aws:kms:eu-west-1"));
    let router = Router::new().with_route("arn:aws:kms", all.clone()).unwrap();
    let router = Arc::new(router.with_route("arn:aws:kms:eu-west-1", ireland.clone()).unwrap());
    assert_eq!(generated(&router, "arn:aws:kms:key/app").unwrap(), "arn:aws:kms:key/app");
    assert_eq!(generated(&router, "arn:aws:kms:eu-west-1:key/app").unwrap(), "arn:aws:kms:eu-west-1:key/app");
    assert_eq!(generated(&router, "arn:aws:s3:::photos"), Err(Kind::NotFound));
    assert_eq!((all.kms.calls().generate, ireland.kms.calls().generate), (1, 1));
}

#[test]
fn a_route_is_a_scheme_with_or_without_further_fields() {
    let kms = OfScheme::new("one-kms");
    for wrong in ["", ":", "arn:", "1a", "a b", "alias/app", "arn:aws:", "ä"] {
        let error = Router::new().with_route(wrong, kms.clone()).unwrap_err();
        assert!(matches!(error, Error::Misuse(Misuse::KeyIdScheme)), "{wrong:?}");
    }
    let shown = format!("{:?}", Router::new().with_route("arn:aws", kms).unwrap());
    assert_eq!(shown, "Router { default: false, routes: [\"arn:aws\"] }");
}

#[test]
fn a_second_route_with_the_same_prefix_is_refused_and_a_longer_one_is_not() {
    let World { one, two, .. } = world();
    let with_one = || Router::new().with_route("arn:aws:kms", one.clone()).unwrap();
    for again in [two.clone(), one.clone()] {
        let error = with_one().with_route("arn:aws:kms", again).unwrap_err();
        assert!(matches!(error, Error::Misuse(Misuse::RouteTwice)), "{error:?}");
    }
    with_one().with_route("arn:aws:kms:eu-west-1", two.clone()).unwrap().with_route("arn:aws", two).unwrap();
}

#[test]
fn a_default_provider_whose_ids_lead_elsewhere_writes_nothing() {
    let World { one, two, .. } = world();
    // The ids that the default provider resolves to lead to nobody, and to another provider.
    let router = Arc::new(Router::new().with_default(one.clone()));
    assert_eq!(generated(&router, "alias/app"), Err(Kind::Misconfigured));
    let router = Router::new().with_default(one).with_route("one-kms", two).unwrap();
    assert_eq!(generated(&Arc::new(router), "alias/app"), Err(Kind::Misconfigured));
}

#[test]
fn an_object_moves_from_one_provider_to_another_by_a_rewrap() {
    let World { one, two, router } = world();
    let keys = KmsKeys::only(["one-kms:key/app", "two.kms+x:key/app"]);
    let sse = Sse::builder().kms(router, keys).build().unwrap().blocking();
    let name = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.encrypt(&name, SseKms::new("alias/app"), b"meow").unwrap();
    assert_eq!(stored.envelope.kms_key_id(), Some("one-kms:key/app"));
    let to = SseKms::new("two.kms+x:key/app");
    let envelope = sse.rewrap(Rewrap::of(&name, &stored.envelope, Unlock::Server).to(&name, to)).unwrap();
    assert_eq!(envelope.kms_key_id(), Some("two.kms+x:key/app"));
    let moved = atrest::Encrypted::new(envelope, stored.ciphertext);
    one.kms.fail_with(Some(Kind::Unavailable));
    assert_eq!(sse.decrypt(&name, &moved, Unlock::Server).unwrap(), b"meow");
    assert_eq!(two.kms.calls().unwrap, 1);
}

#[test]
fn it_conforms_in_every_runtime() {
    let World { one, two, router } = world();
    one.kms.create_key("b").unwrap();
    two.kms.create_key("b").unwrap();
    for (named, other) in [("alias/app", "one-kms:key/b"), ("two.kms+x:key/app", "two.kms+x:key/b")] {
        let suite = KeyProviderSuite::new(router.clone(), named, "three:key/none");
        let suite = suite.other_key_id(other).lacks(Capability::Requesters).lacks(Capability::States);
        suite.lacks(Capability::RequestIds).run();
    }
}
