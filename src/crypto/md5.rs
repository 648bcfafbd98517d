//! `md5`, the hash of S3's customer-key checksums and ETags. No security property depends on it.

use md5::{Digest, Md5};
use zeroize::zeroize_stack;

/// An upper bound on the stack use of one MD5 computation, in bytes.
const STACK_LEN: usize = 1_024;

/// Computes the MD5 of `bytes` and wipes the stack, because `bytes` may be a customer key.
///
/// Spec: RFC 1321.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    let digest = md5_on_stack(bytes);
    zeroize_stack::<STACK_LEN>();
    digest
}

/// SECURITY: not inlined, so that its stack frame lies below that of the caller, which wipes it.
#[inline(never)]
fn md5_on_stack(bytes: &[u8]) -> [u8; 16] {
    // The hasher is wiped on drop: it buffers input shorter than a block, and a key is shorter.
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
