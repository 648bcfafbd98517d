//! [`check_parts`] and [`read_part_number`], which check a completion's list of parts and part numbers by S3's rules.

use super::{S3Error, S3ErrorKind as Kind};
use crate::multipart::s3_limits::MIN_PART_LEN;
use crate::object::PartNumber;

/// Checks the parts that a CompleteMultipartUpload lists, each with its number and its plaintext length in bytes,
/// against the limits of S3: 1 to 10,000 parts in ascending order, each but the last at least 5 MiB long.
///
/// # Errors
///
/// - [`MalformedXml`](Kind::MalformedXml): no part, or more than 10,000 parts.
/// - [`PartNumber`](Kind::PartNumber): a part number is not 1 to 10,000.
/// - [`PartOrder`](Kind::PartOrder): the part numbers do not ascend.
/// - [`PartTooSmall`](Kind::PartTooSmall), with S3's elements: a part other than the last is shorter than 5 MiB.
///
/// ```
/// use atrest::s3::{S3ErrorKind, check_parts};
///
/// check_parts([(1, 5 << 20), (2, 17)])?;
/// assert_eq!(check_parts([(1, 17), (2, 17)]).unwrap_err().kind(), S3ErrorKind::PartTooSmall);
/// # Ok::<(), atrest::s3::S3Error>(())
/// ```
///
/// Spec: Amazon S3, CompleteMultipartUpload.
pub fn check_parts(parts: impl IntoIterator<Item = (u32, u64)>) -> Result<(), S3Error> {
    let (mut last, mut small, mut count) = (0, None, 0_u32);
    for (number, plaintext_len) in parts {
        count += 1;
        if count > PartNumber::S3_MAX {
            return Err(Kind::MalformedXml.into());
        }
        if !(1..=PartNumber::S3_MAX).contains(&number) {
            return Err(S3Error::new(Kind::PartNumber).with_argument("partNumber", number.to_string()));
        }
        if number <= last {
            return Err(Kind::PartOrder.into());
        }
        if let Some((number, plaintext_len)) = small {
            return Err(too_small(number, plaintext_len));
        }
        small = (plaintext_len < MIN_PART_LEN).then_some((number, plaintext_len));
        last = number;
    }
    if count == 0 { Err(Kind::MalformedXml.into()) } else { Ok(()) }
}

/// Reads the `partNumber` of a GetObject or HeadObject, 1 to 10,000. `range` is the request's `Range` header, if any.
///
/// [`Decryptor::part`](crate::Decryptor::part) gives the byte range of the part. Part 1 of an object that was not
/// uploaded in parts is the whole object.
///
/// # Errors
///
/// - [`PartNumber`](Kind::PartNumber): the text is not a number from 1 to 10,000.
/// - [`PartWithRange`](Kind::PartWithRange): the request also has a range.
///
/// ```
/// use atrest::s3::{S3ErrorKind, read_part_number};
///
/// assert_eq!(read_part_number("1", None)?.get(), 1);
/// let refused = read_part_number("1", Some("bytes=0-4")).unwrap_err();
/// assert_eq!(refused.kind(), S3ErrorKind::PartWithRange);
/// # Ok::<(), atrest::s3::S3Error>(())
/// ```
///
/// Spec: Amazon S3, GetObject, "partNumber".
pub fn read_part_number(part_number: &str, range: Option<&str>) -> Result<PartNumber, S3Error> {
    let digits = Some(part_number).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| PartNumber::new(digits.parse().ok()?).ok());
    let number = number.ok_or_else(|| S3Error::new(Kind::PartNumber).with_request_value("partNumber", part_number))?;
    if range.is_some() { Err(Kind::PartWithRange.into()) } else { Ok(number) }
}

fn too_small(number: u32, plaintext_len: u64) -> S3Error {
    S3Error::new(Kind::PartTooSmall)
        .with_element("ProposedSize", plaintext_len.to_string())
        .with_element("MinSizeAllowed", MIN_PART_LEN.to_string())
        .with_element("PartNumber", number.to_string())
}
