//! The subjects that build side by side: `atrest` by mode and implementation, bare loops of ciphers, and peers.

mod atrest_modes;
mod bare;
mod peers;

use peers_kit::Entry;

fn main() {
    let entries: Vec<Entry> =
        [atrest_modes::entries(), bare::entries(), peers::entries()].into_iter().flatten().collect();
    peers_kit::main(&entries);
}
