//! Objects of thousands of parts: opening a manifest, planning over it, completing from receipts, encrypting a part.
//!
//! `complete` opens every receipt, and seals and opens the manifest; `page` learns of one part without the others.

mod kit;

use atrest::multipart::{CompletedPart, CompletionRecord, KeptAttempt, Receipt, UnopenedPart, Upload};
use atrest::{Expected, ModeId, PartNumber};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kit::{Kit, MIB, source};

const PARTS: u32 = 10_000;
const PART_LEN: usize = 5 * MIB;
const UPLOAD_ID: &[u8] = b"upload-1";

/// Receipts are as long as those of real parts, and the stored bytes are those of four bytes each.
fn uploaded(upload: &Upload) -> Vec<(PartNumber, Vec<u8>, Receipt)> {
    let part = |number| {
        let number = PartNumber::new(number).expect("a number");
        let (stored, receipt) = upload.encrypt_part(number, b"meow", &[b'e'; 34]).expect("a part");
        (number, stored, receipt)
    };
    (1..=PARTS).map(part).collect()
}

fn listed(parts: &[(PartNumber, Vec<u8>, Receipt)]) -> impl Iterator<Item = CompletedPart<'_>> {
    parts.iter().map(|(number, stored, receipt)| CompletedPart::new(*number, &[b'e'; 34], receipt, stored))
}

fn multipart(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("multipart");
    group.sample_size(20);
    for (mode, backend) in [(ModeId::SseS3, "aws-lc"), (ModeId::SseS3, "rust-crypto"), (ModeId::DsseKms, "both")] {
        let kit = Kit::new(mode, backend);
        let sse = kit.sse.blocking();
        let name = |verb: &str| format!("{verb}/{}/{backend}", mode.to_string().to_lowercase());
        let upload = sse.begin_multipart(&kit.object, UPLOAD_ID, kit.mode.clone()).expect("an upload");
        let (envelope, expected) = (upload.envelope(), Expected::exactly(upload.envelope()));
        group.bench_function(name("resume"), |bencher| {
            bencher.iter(|| {
                let upload = sse.resume_multipart(&kit.object, UPLOAD_ID, envelope, &expected, kit.unlock());
                upload.expect("an upload")
            });
        });

        let parts = uploaded(&upload);
        group.bench_function(name("complete/10000-parts"), |bencher| {
            bencher.iter(|| sse.complete_multipart(&upload, kit.unlock(), listed(&parts)).expect("completed"));
        });

        let completed = sse.complete_multipart(&upload, kit.unlock(), listed(&parts)).expect("completed");
        let unlisted = sse.decryptor(&kit.object, &completed.envelope, kit.unlock()).expect("a decryptor");
        group.bench_function(name("open-manifest/10000-parts"), |bencher| {
            bencher.iter(|| unlisted.with_manifest(&completed.manifest).expect("its manifest"));
        });
        group.bench_function(name("page/one-of-10000-parts"), |bencher| {
            bencher.iter(|| {
                let page = unlisted.manifest_page(7_000..7_001).expect("a page");
                let fetch = page.fetch();
                page.open(&completed.manifest[fetch.start as usize..fetch.end as usize]).expect("its parts")
            });
        });
        let decryptor = unlisted.with_manifest(&completed.manifest).expect("its manifest");
        let (len, stored) = (u64::from(PARTS) * 4, decryptor.ciphertext_len().expect("it is known"));
        let (within, across) = (len / 2..len / 2 + 3, len / 2 - 2..len / 2 + 2);
        for (what, range) in [("within-a-part", within), ("across-two", across), ("across-all", 1..len - 1)] {
            group.bench_function(name(&format!("plan/10000-parts/{what}")), |bencher| {
                bencher.iter(|| decryptor.range(range.clone(), stored).expect("a plan"));
            });
        }

        group.throughput(Throughput::Bytes(PART_LEN as u64));
        let (plaintext, mut output) = (source(PART_LEN), vec![0; PART_LEN + MIB]);
        let number = PartNumber::new(1).expect("a number");
        group.bench_function(name("encrypt-part/5MiB"), |bencher| {
            bencher.iter(|| {
                let (mut part, seal) = upload.part(number).expect("a part");
                let written = part.update(&plaintext, &mut output).expect("encrypted");
                let finished = part.finish(&mut output[written..]).expect("finished");
                seal.receipt(&finished, b"etag").expect("a receipt")
            });
        });
        group.throughput(Throughput::Elements(1));
    }
    group.finish();
}

/// An SSE-C upload completed without its key: the record made, verified, and finished with the key.
fn completion(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("completion");
    group.sample_size(20);
    let kit = Kit::new(ModeId::SseC, "aws-lc");
    let sse = kit.sse.blocking();
    let upload = sse.begin_multipart(&kit.object, UPLOAD_ID, kit.mode.clone()).expect("an upload");
    let parts = uploaded(&upload);
    let kept: Vec<_> = parts
        .iter()
        .map(|(number, stored, receipt)| KeptAttempt::new(*number, &[b'e'; 34], receipt.clone(), stored).expect("kept"))
        .collect();
    let complete = || {
        let listed = kept.iter().zip(&parts);
        let listed = listed.map(|(kept, (number, stored, _))| UnopenedPart::new(*number, &[b'e'; 34], kept, stored));
        sse.complete_multipart_without_key(&kit.object, UPLOAD_ID, upload.envelope(), listed).expect("a record")
    };
    let record = complete();
    group.bench_function("complete/10000-parts", |bencher| bencher.iter(complete));
    group.bench_function("decode/10000-parts", |bencher| {
        bencher.iter(|| CompletionRecord::decode(record.as_bytes()).expect("a record"));
    });
    group.bench_function("open/10000-parts", |bencher| {
        bencher.iter(|| sse.open_record(&kit.object, &record).expect("it opens"));
    });
    group.bench_function("finish/10000-parts", |bencher| {
        bencher.iter(|| sse.finish_completion(&kit.object, &record, kit.unlock()).expect("it finishes"));
    });
    group.finish();
}

criterion_group!(benches, multipart, completion);
criterion_main!(benches);
