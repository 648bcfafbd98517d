//! An encrypted store in a local directory, or in a bucket: the code is the same.
//!
//! The program writes an object in one request and one in parts, reads ranges, lists lengths, renames, rotates the
//! master key, and shows what the inner store holds. It writes and deletes under one prefix of its own,
//! `atrest-example`.
//!
//! ```text
//! cargo run -p atrest-object-store --example object_store                  # a directory that goes away at the end
//! cargo run -p atrest-object-store --example object_store -- file:///var/lake
//! cargo run -p atrest-object-store --example object_store --features object_store/aws -- s3://bucket/lake
//! ```
//!
//! A bucket's region and credentials come from the environment: `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, and so on.

use std::error::Error;
use std::sync::Arc;

use atrest::{Keyring, RootKey, Sse};
use atrest_object_store::{CallOptions, EncryptedStore};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use url::Url;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let url = match std::env::args().nth(1) {
        Some(url) => Url::parse(&url)?,
        None => Url::from_directory_path(directory.path()).map_err(|()| "the directory has no absolute path")?,
    };
    let (store, path) = object_store::parse_url_opts(&url, std::env::vars())?;
    let inner: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(store, path));

    // A service keeps both in places of their own, and opens them at each start.
    let keys = tempfile::tempdir()?;
    let root_key = RootKey::create_file(keys.path().join("root.key"))?;
    let keyring = Keyring::create_blocking(keys.path().join("keyring.atrest"), &root_key)?;
    let sse = Sse::builder().keyring(keyring.clone()).envelope_len(1024).build()?;

    let unencrypted = |location: &Path| location.filename() == Some("_SUCCESS");
    let store = EncryptedStore::builder(inner.clone(), sse, "lake").unencrypted(unencrypted).build()?;
    run(&store, &inner, &keyring).await
}

async fn run(store: &EncryptedStore<Arc<dyn ObjectStore>>, inner: &dyn ObjectStore, keyring: &Keyring) -> Result<()> {
    let prefix = Path::from("atrest-example");
    let (cat, big) = (prefix.clone().join("cat.txt"), prefix.clone().join("big.bin"));
    store.put(&cat, "meow, purr and hiss".into()).await?;
    store.put(&prefix.clone().join("_SUCCESS"), "".into()).await?;

    let mut writer = WriteMultipart::new(store.put_multipart(&big).await?);
    for number in 0..12_u8 {
        writer.write(&vec![number; 1 << 20]);
    }
    writer.finish().await?;

    println!("a range: {:?}", store.get_range(&cat, 6..10).await?);
    println!("several: {:?}", store.get_ranges(&big, &[0..2, (12 << 20) - 2..12 << 20]).await?);

    for meta in store.list(Some(&prefix)).try_collect::<Vec<_>>().await? {
        let stored = inner.head(&meta.location).await?.size;
        println!("{:<24} {:>10} bytes, stored as {stored:>10}", meta.location.as_ref(), meta.size);
    }

    let tom = prefix.clone().join("tom.txt");
    store.rename(&cat, &tom).await?;
    keyring.rotate().await?; // old objects open as before, new ones are under the new version
    println!("renamed: {:?}", store.get(&tom).await?.bytes().await?);

    // On whose behalf a call is made: key providers and the audit trail see it.
    let alice = CallOptions::new().with_requester(atrest::Requester::new("alice"));
    println!("for alice: {:?}", store.with_options(alice).get(&tom).await?.bytes().await?);

    let stored = inner.get(&tom).await?.bytes().await?;
    println!("the inner store holds {} bytes that begin with {:02x?}", stored.len(), &stored[..8]);
    for location in store.list(Some(&prefix)).map_ok(|meta| meta.location).try_collect::<Vec<_>>().await? {
        store.delete(&location).await?;
    }
    Ok(())
}
