//! How often a key wraps.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use atrest::KeyProviderErrorKind as Kind;
use atrest_pkcs11::WrapCounter;

use crate::kit::{Admin, builder, generate, in_child, unwrap};

struct Counter {
    reserved: AtomicU64,
    is_down: AtomicBool,
}

impl WrapCounter for Counter {
    fn reserve(&self, key_id: &str, wraps: u64) -> io::Result<u64> {
        assert_eq!((key_id, wraps), ("pkcs11:token=storage;id=%01;type=secret-key", 1 << 20));
        if self.is_down.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(self.reserved.fetch_add(wraps, Ordering::SeqCst))
    }
}

#[test]
fn wraps_are_counted_and_a_shared_counter_ends_them_at_the_limit_but_never_the_reads() {
    in_child("wraps::wraps_are_counted_and_a_shared_counter_ends_them_at_the_limit_but_never_the_reads", || {
        Admin::new().create("one", &[1], &[]);
        let counter = Arc::new(Counter { reserved: AtomicU64::new((1 << 32) - 3), is_down: AtomicBool::new(true) });
        let warned = Arc::new(Mutex::new(Vec::new()));
        let noted = warned.clone();
        let builder = builder().wrap_counter(counter.clone());
        let kms = builder.warns(move |count| noted.lock().unwrap().push((count.own(), count.total()))).build();
        let kms = Arc::new(kms);
        let error = generate(&kms, "one").unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::Unavailable, true), "no counter, no wrap");
        assert_eq!(kms.wraps()[0].own(), 0);
        counter.is_down.store(false, Ordering::SeqCst);
        let [_, _, last] = [(); 3].map(|()| generate(&kms, "one").unwrap());
        let error = generate(&kms, "one").unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::InvalidState, false));
        unwrap(&kms, &last).unwrap();
        let counts = kms.wraps();
        assert_eq!((counts.len(), counts[0].own()), (1, 3));
        assert_eq!(*warned.lock().unwrap(), [(1, Some((1 << 32) - 3 + (1 << 20)))]);
    });
}
