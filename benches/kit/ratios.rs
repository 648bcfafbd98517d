//! Ratios of the medians of one run, printed at its end: a figure alone says little on a machine that others share.

use std::path::Path;
use std::sync::LazyLock;
use std::time::SystemTime;

/// Later than the results of earlier runs.
pub(crate) static START: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Prints how fast `ours` is beside the sum of `bare`: 1 if both take the same time, 2 if `ours` takes half of it.
/// Prints nothing unless all of them were measured in this run.
pub(crate) fn ratio(what: &str, bare: &[&str], ours: &str) {
    let bare: Option<Vec<f64>> = bare.iter().map(|id| median(id)).collect();
    if let (Some(bare), Some(ours)) = (bare, median(ours)) {
        println!("{:5.2}  {what}", bare.iter().sum::<f64>() / ours);
    }
}

/// Returns the median of a bench in nanoseconds.
fn median(id: &str) -> Option<f64> {
    let (group, rest) = id.split_once('/')?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let path = target.join("criterion").join(group).join(rest.replace('/', "_")).join("new/estimates.json");
    if path.metadata().ok()?.modified().ok()? < *START {
        return None;
    }
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
