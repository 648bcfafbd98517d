//! Calls whose future is dropped, after each number of polls.

use std::pin::pin;
use std::task::{Context, Waker};

use atrest_object_store::{EncryptedStore, Placement};
use futures_util::{TryStreamExt, poll};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::kit::{Memory, PLACEMENTS, at, built, get, plaintext, put, store};
use crate::spy::Request;

/// Polls a future at most so often, drops it, and lets what it left behind run. Returns whether it was done.
async fn cut_short(future: impl Future, polls: usize) -> bool {
    let mut future = Box::pin(future);
    let mut done = false;
    for _ in 0..polls {
        done = poll!(&mut future).is_ready();
        if done {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(future);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    done
}

/// The names of all objects of the inner store.
async fn names(spy: &Memory) -> Vec<String> {
    let mut names: Vec<_> = spy.bare().list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    names.sort_unstable();
    names
}

/// Returns whether an upload was begun, and neither completed nor aborted.
fn leaves_an_upload(requests: &[Request]) -> bool {
    let any = |wanted: &Request| requests.contains(wanted);
    requests.iter().any(|request| matches!(request, Request::Part { .. }))
        && !any(&Request::Complete)
        && !any(&Request::Abort)
}

#[tokio::test]
async fn a_long_copy_that_must_not_replace_leaves_nothing_beside_its_place() {
    let (store, spy, _) = store(Placement::Behind);
    let bytes = plaintext(65 << 20);
    put(&store, "from", bytes.clone()).await;
    spy.slow_down();
    let (mut polls, mut cut) = (0, 0);
    loop {
        spy.requests();
        let done = cut_short(store.copy_if_not_exists(&at("from"), &at("to")), polls).await;
        assert!(!leaves_an_upload(&spy.requests()), "{polls}");
        let names = names(&spy).await;
        assert!(names == ["from"] || names == ["from", "to"], "{polls}: {names:?}");
        if names.len() == 2 {
            assert_eq!(get(&store, "to").await.unwrap(), bytes);
            store.delete(&at("to")).await.unwrap();
        }
        if done {
            break;
        }
        cut += 1;
        polls += 3;
    }
    assert!(cut > 5, "{cut}");
}

#[tokio::test]
async fn a_copy_and_a_rename_leave_the_source_or_the_whole_copy_and_no_upload() {
    let bytes = plaintext(20 << 20);
    for placement in PLACEMENTS {
        for renames in [false, true] {
            let (store, spy, _) = store(placement);
            spy.slow_down();
            for polls in 0.. {
                put(&store, "from", bytes.clone()).await;
                spy.requests();
                let (from, to) = (at("from"), at("to"));
                let done = match renames {
                    true => cut_short(store.rename(&from, &to), polls).await,
                    false => cut_short(store.copy(&from, &to), polls).await,
                };
                assert!(!leaves_an_upload(&spy.requests()), "{placement:?} {polls}");
                let names = names(&spy).await;
                assert!(!names.is_empty());
                for name in &names {
                    assert_eq!(get(&store, name).await.unwrap(), bytes, "{placement:?} {polls} {name}");
                }
                if names.contains(&"to".to_owned()) {
                    store.delete(&to).await.unwrap();
                }
                if done {
                    assert!(polls > 5, "{polls}");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_put_and_the_completion_of_an_upload_leave_the_whole_object_or_none() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        spy.slow_down();
        for polls in 0.. {
            let bytes = plaintext(100_000);
            let creating = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let put = cut_short(store.put_opts(&at("put"), bytes.clone().into(), creating), polls).await;
            let mut upload = store.put_multipart(&at("parts")).await.unwrap();
            upload.put_part(bytes.slice(..60_000).into()).await.unwrap();
            upload.put_part(bytes.slice(60_000..).into()).await.unwrap();
            let completed = cut_short(upload.complete(), polls).await;
            for name in names(&spy).await {
                assert_eq!(get(&store, &name).await.unwrap(), bytes, "{placement:?} {polls} {name}");
                store.delete(&at(&name)).await.unwrap();
            }
            if put && completed {
                assert!(polls > 2, "{polls}");
                break;
            }
        }
    }
}

#[test]
fn what_stays_without_a_runtime_is_found_by_a_sweep_and_rewrapped_under_the_name_that_it_was_meant_for() {
    // The end of the name of the object beside the place is no reason to take it for unencrypted.
    let (store, spy, keys) = built(Placement::InFront, |builder| builder.unencrypted(|path| !is_parquet(path)));
    let bytes = plaintext(65 << 20);
    pollster::block_on(put(&store, "lake/from.parquet", bytes.clone()));
    spy.slow_down();
    {
        let (from, to) = (at("lake/from.parquet"), at("lake/to.parquet"));
        let mut copying = pin!(store.copy_if_not_exists(&from, &to));
        // All parts are written, and the inner store has not copied them yet.
        while !spy.requests().contains(&Request::Copy) {
            assert!(copying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    let names = pollster::block_on(names(&spy));
    let left: Vec<_> = names.into_iter().filter(|name| name.ends_with(".atrest-copy")).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("lake/to.parquet."), "{left:?}");

    pollster::block_on(async {
        keys.keyring.rotate().await.unwrap();
        let report = store.sweep(None).max_object_len(100 << 20).rewrap().await.unwrap();
        assert_eq!(report.left_behind(), [at(&left[0])]);
        let counts = report.counts();
        assert_eq!((counts.problems, counts.rewrapped), (0, counts.entries), "{:?}", report.problems());
        // It is the copy, under the name of its place.
        spy.bare().rename(&at(&left[0]), &at("lake/to.parquet")).await.unwrap();
        assert_eq!(get(&store, "lake/to.parquet").await.unwrap(), bytes);
        assert!(report_of(&store).await.left_behind().is_empty());
    });
}

fn is_parquet(path: &Path) -> bool {
    path.as_ref().ends_with(".parquet")
}

async fn report_of(store: &EncryptedStore<Memory>) -> atrest_object_store::StoreSweepReport {
    store.sweep(None).rewrap().await.unwrap()
}
