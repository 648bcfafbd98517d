//! Multipart objects of a growing number of parts; the parts are small, as their bytes are not read here.

use atrest::multipart::{CompletedPart, CompletedUpload, Receipt, Upload};
use atrest::{Keyring, ObjectName, PartNumber, Sse, SseS3, Unlock};

struct Uploaded {
    sse: Sse,
    object: ObjectName,
    upload: Upload,
    parts: Vec<(PartNumber, Vec<u8>, Receipt)>,
}

impl Uploaded {
    fn new(parts: u64) -> Self {
        let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
        let sse = Sse::builder().keyring(keyring).build().expect("a backend");
        let object = ObjectName::new("photos", "2026/cat.jpg").expect("a name");
        let upload = sse.blocking().begin_multipart(&object, b"upload-1", SseS3).expect("an upload");
        let part = |number| {
            let number = PartNumber::new(number).expect("a number");
            let (stored, receipt) = upload.encrypt_part(number, b"meow", &[b'e'; 34]).expect("a part");
            (number, stored, receipt)
        };
        let parts = (1..=u32::try_from(parts.max(1)).expect("10,000 at the most")).map(part).collect();
        Self { sse, object, upload, parts }
    }

    fn complete(&self) -> CompletedUpload {
        let listed = self.parts.iter();
        let listed = listed.map(|(number, stored, receipt)| CompletedPart::new(*number, &[b'e'; 34], receipt, stored));
        self.sse.blocking().complete_multipart(&self.upload, Unlock::Server, listed).expect("completed")
    }
}

/// Opens every receipt, and seals and opens the manifest.
pub(crate) fn complete(parts: u64) -> Box<dyn FnOnce()> {
    let uploaded = Uploaded::new(parts);
    Box::new(move || drop(uploaded.complete()))
}

/// Opens the manifest of a completed object.
pub(crate) fn open_manifest(parts: u64) -> Box<dyn FnOnce()> {
    let uploaded = Uploaded::new(parts);
    let completed = uploaded.complete();
    Box::new(move || {
        let sse = uploaded.sse.blocking();
        let decryptor = sse.decryptor(&uploaded.object, &completed.envelope, Unlock::Server).expect("a decryptor");
        drop(decryptor.with_manifest(&completed.manifest).expect("its manifest"));
    })
}
