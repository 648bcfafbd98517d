//! MD5: how S3's clients name a customer key, and what an ETag is made of. No security rests on it.

use md5::{Digest, Md5};
use zeroize::zeroize_stack;

/// More than one block's words and state take on the stack.
const STACK_LEN: usize = 1_024;

/// The MD5 of these bytes; leaves nothing of them on the stack, for they may be a customer key.
///
/// Spec: RFC 1321.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    let digest = md5_on_stack(bytes);
    zeroize_stack::<STACK_LEN>();
    digest
}

/// SECURITY: not inlined, so that what it leaves on the stack lies below its caller, who wipes it.
#[inline(never)]
fn md5_on_stack(bytes: &[u8]) -> [u8; 16] {
    // Wiped when it is dropped: it holds what does not fill a block, and a key does not.
    Md5::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_suite_of_rfc_1321_comes_out() {
        let suite: [(&[u8], u128); 4] = [
            (b"", 0xd41d8cd98f00b204e9800998ecf8427e),
            (b"abc", 0x900150983cd24fb0d6963f7d28e17f72),
            (b"message digest", 0xf96b697d7cb7938d525a2f31aaf161d0),
            (&b"1234567890".repeat(8), 0x57edf4a22be3c955ac49da2e2107b67a),
        ];
        for (message, digest) in suite {
            assert_eq!(md5(message), digest.to_be_bytes());
        }
    }
}
