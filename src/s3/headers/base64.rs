//! Decodes the base64 of a customer key as leniently as S3 does.

use zeroize::Zeroizing;

/// The value of `=`. The service treats `=` as a digit if it does not end a quadruplet.
const PADDING: u8 = 127;

/// Decodes base64 leniently: ignores characters outside the alphabet and an incomplete last quadruplet.
///
/// Returns `None` if a byte is not ASCII. The result may be empty.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.is_ascii() {
        return None;
    }
    // SECURITY: the vector never grows, so no copy of the secret bytes is left in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3));
    let mut quadruplet = Zeroizing::new([0_u8; 4]);
    let mut len = 0;
    for digit in text.iter().copied().filter_map(digit) {
        quadruplet[len] = digit;
        len += 1;
        if len == quadruplet.len() {
            let [a, b, c, d] = *quadruplet;
            bytes.push(a << 2 | b >> 4);
            if c != PADDING {
                bytes.push(b << 4 | c >> 2);
            }
            if d != PADDING {
                bytes.push(c << 6 | d);
            }
            len = 0;
        }
    }
    Some(bytes)
}

/// Returns the six bits of a digit, in constant time.
fn digit(byte: u8) -> Option<u8> {
    // Each row has its first and last digit and the value of its first digit. There is no branch on the secret.
    const ROWS: [(u8, u8, u8); 6] = [
        (b'A', b'Z', 0),
        (b'a', b'z', 26),
        (b'0', b'9', 52),
        (b'+', b'+', 62),
        (b'/', b'/', 63),
        (b'=', b'=', PADDING),
    ];
    let mut found = 0xff_u8;
    for (low, high, first) in ROWS {
        let inside = u8::from(byte >= low) & u8::from(byte <= high);
        let value = byte.wrapping_sub(low).wrapping_add(first);
        // All bits are one if the byte is in this row.
        let mask = inside.wrapping_neg();
        found = (found & !mask) | (value & mask);
    }
    (found != 0xff).then_some(found)
}
