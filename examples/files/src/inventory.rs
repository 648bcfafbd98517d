//! The command `inventory`: lists how every object is encrypted, from the envelopes, as a table, CSV or JSON.

use std::io::{self, Write};

use atrest::rotation::{Inventory, InventoryRow, InventoryTotals};

use crate::cli::Format;
use crate::failure::Outcome;
use crate::progress;
use crate::report::{Table, grouped, printable};
use crate::store::Store;
use crate::sweeps::{entries, places};

/// Opens no object: the output is not authenticated. `verify` authenticates objects.
pub(crate) fn inventory(store: &Store, format: Format, out: &mut impl Write) -> Outcome<()> {
    let places = places(store, None)?;
    if format == Format::Csv {
        out.write_all(InventoryRow::CSV_HEADER.as_bytes())?;
    }
    let bar = progress::of_objects("inventory", places.len());
    let totals = Inventory::new(store.sse()).blocking().run(entries(store, &places, true), |row| {
        bar.inc(1);
        bar.suspend(|| match format {
            Format::Table => writeln!(out, "{}", line(row)),
            Format::Csv => out.write_all(row.to_csv().as_bytes()),
            Format::Json => out.write_all(row.to_json().as_bytes()),
        })
    })?;
    bar.finish_and_clear();
    match format {
        Format::Table => writeln!(out, "\n{}", table(&totals))?,
        // Prints the totals to another stream, so that the rows are one table.
        Format::Csv => io::stderr().write_all(totals.to_csv().as_bytes())?,
        Format::Json => io::stderr().write_all(totals.to_json().as_bytes())?,
    }
    Ok(())
}

fn line(row: &InventoryRow<'_>) -> String {
    let len = row.plaintext_len().map_or_else(|| "?".to_owned(), grouped);
    let name = printable(&String::from_utf8_lossy(row.entry().name().key()));
    let upload = if row.entry().upload_id().is_some() { " (upload)" } else { "" };
    let problem = row.problem().map(|problem| format!(": {problem}")).unwrap_or_default();
    format!("{:<8}  {len:>15}  {name}{upload}{problem}", row.status())
}

fn table(totals: &InventoryTotals) -> Table {
    let heading = ["status", "key", "version", "objects", "uploads", "stored", "plaintext", "problems"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for total in totals.totals() {
        let inner = total.inner_key_id.as_ref().map(|key_id| format!(" around {key_id}")).unwrap_or_default();
        rows.push(vec![
            total.status.to_string(),
            total.key_id.as_ref().map(|key_id| format!("{key_id}{inner}")).unwrap_or_default(),
            total.key_version.map(|version| version.to_string()).unwrap_or_default(),
            grouped(total.objects),
            grouped(total.uploads),
            grouped(total.stored_len),
            grouped(total.plaintext_len),
            grouped(total.problems),
        ]);
    }
    Table(rows)
}
