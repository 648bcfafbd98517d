//! The integration functions of `object_store` over moto.

use atrest_object_store::Placement;
use object_store::ObjectStore;
use object_store::aws::AmazonS3;

use super::bucket::Bucket;
use crate::integration::{Can, NONE, encrypted, failing};

const S3: Can = Can { update: true };

/// Returns the names of the functions that fail over what is made of a bucket, or `None` without moto.
async fn failing_over(store: impl Fn(AmazonS3) -> Box<dyn ObjectStore>) -> Option<Vec<&'static str>> {
    Bucket::new().await?;
    let fresh = async || store(Bucket::new().await.unwrap().s3());
    Some(failing(S3, fresh).await)
}

#[tokio::test]
async fn the_bare_bucket_passes_the_same_functions() {
    let Some(failing) = failing_over(|s3| Box::new(s3)).await else { return };
    assert_eq!(failing, NONE);
}

macro_rules! over_moto {
    ($($test:ident: $placement:expr, $configure:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let Some(failing) = failing_over(|s3| encrypted(s3, $placement, $configure)).await else { return };
            assert_eq!(failing, NONE);
        }
    )*};
}

over_moto! {
    a_bucket_with_envelopes_in_front_is_a_store: Placement::InFront, |b| b;
    a_bucket_with_envelopes_behind_is_a_store: Placement::Behind, |b| b;
    a_bucket_with_envelopes_in_attributes_is_a_store: Placement::Attributes, |b| b;
    a_bucket_with_equal_parts_is_a_store: Placement::Behind, |b| b.equal_parts(5 << 20);
    an_unbound_bucket_is_a_store: Placement::Behind, |b| b.unbound();
}
