//! Decodes base64 as leniently as S3 decodes a customer key.

use zeroize::Zeroizing;

/// The value that stands for `=`; the service takes it for a digit where it does not end a quadruplet.
const PADDING: u8 = 127;

/// Decodes base64 leniently: a character that is not in the alphabet is passed over, and an incomplete last
/// quadruplet is dropped.
///
/// `None` where a byte is not ASCII. The result may be empty.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.is_ascii() {
        return None;
    }
    // The bytes are a secret: the vector never grows, so that no copy is left behind.
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

/// The six bits of a digit, in arithmetic that takes as long for every one.
fn digit(byte: u8) -> Option<u8> {
    // `low..=high` gives the offset of the digits of one row, by comparison without a branch on the secret.
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
        // All ones where the byte is in this row.
        let mask = inside.wrapping_neg();
        found = (found & !mask) | (value & mask);
    }
    (found != 0xff).then_some(found)
}
