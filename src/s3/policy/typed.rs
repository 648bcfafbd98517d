//! Parses the typed values of conditions: booleans, numbers, times, addresses and networks.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The maximum number of digits after the decimal point.
const DECIMALS: usize = 18;
/// The maximum number of digits before the decimal point.
const MAX_DIGITS: usize = 18;

/// Parses `true` or `false`, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Parses a decimal number into units of 10^-18. The result is exact, so 1.20 equals 1.2.
pub(super) fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || whole.len() > MAX_DIGITS || decimals.len() > DECIMALS {
        return None;
    }
    let unit = |decimals: usize| 10_i128.pow(u32::try_from(decimals).unwrap_or(u32::MAX));
    let value =
        whole.parse::<i128>().ok()? * unit(DECIMALS) + decimals.parse::<i128>().ok()? * unit(DECIMALS - decimals.len());
    Some(if negative { -value } else { value })
}

/// Parses an ISO 8601 time with an offset from UTC, a day, month or year (its beginning in UTC), or seconds since 1970.
///
/// Four digits are a year.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let is_number = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    let day = match text.len() {
        4 if is_number => format!("{text}-01-01"),
        _ if is_number => return Timestamp::from_second(text.parse().ok()?).ok(),
        7 => format!("{text}-01"),
        10 => text.to_owned(),
        _ => return text.parse().ok(),
    };
    let day: Date = day.parse().ok()?;
    day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
}

/// Parses an IP address. An IPv4 address that is mapped into IPv6 becomes an IPv4 address.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Parses a network in CIDR form, or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    if let Some(address) = address(text) {
        return Some(address.into());
    }
    let network: IpNet = text.parse().ok()?;
    let mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, prefix_len)) => Ipv4Net::new(address, prefix_len).ok().map(IpNet::V4),
        None => Some(network),
    }
}
