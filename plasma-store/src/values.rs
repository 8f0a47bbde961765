//! Sizes and times as people write them.

use std::time::Duration;

use bytesize::ByteSize;

/// Bytes: a number, or one with a unit such as `1GB` (10⁹), `512MiB` (2²⁰ each) or `1.5 GiB`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_size(text: &str) -> Result<u64, String> {
    text.trim()
        .parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "a size is a number of bytes, or has a unit: 1GB, 512MiB, 1.5GiB".to_owned())
}

/// As [`parse_size`], for what has to fit in memory.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_length(text: &str) -> Result<usize, String> {
    usize::try_from(parse_size(text)?).map_err(|_| "that is more than there are addresses".into())
}

/// A time: a number of seconds, or with units such as `10ms` or `1m 30s`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    match seconds {
        Some(time) => Ok(time),
        None => humantime::parse_duration(text)
            .map_err(|_| "a time is a number of seconds, or has units: 10ms, 1m 30s".to_owned()),
    }
}

/// As [`parse_time`], longer than nothing.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Duration::ZERO => Err("it has to be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// As [`parse_time`], in whole seconds.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_seconds(text: &str) -> Result<i64, String> {
    let time = parse_time(text)?;
    match i64::try_from(time.as_secs()) {
        Ok(seconds) if time.subsec_nanos() == 0 => Ok(seconds),
        _ => Err("only whole seconds count here".to_owned()),
    }
}

/// A part of a whole, from 0 to 1.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse_part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("it has to be a number from 0 to 1".to_owned()),
    }
}

/// A size for people, in powers of 1024.
#[must_use]
pub fn human_size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_not() {
        let sizes = [
            ("0", 0),
            ("10000000", 10_000_000),
            ("1GB", 1_000_000_000),
            ("1gb", 1_000_000_000),
            ("512MiB", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("64 KiB", 64 << 10),
        ];
        for (text, size) in sizes {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for wrong in ["", "-1", "1 elephant", "GB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(human_size(512 << 20), "512.0 MiB");
    }

    #[test]
    fn times_are_seconds_or_have_units() {
        assert_eq!(parse_time("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(parse_time("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(
            parse_time("-1").is_err() && parse_time("nan").is_err() && parse_time("x").is_err()
        );
        assert!(parse_interval("0").is_err());
        assert_eq!(parse_seconds("60"), Ok(60));
        assert!(parse_seconds("1500ms").is_err());
    }

    #[test]
    fn parts_are_parts() {
        assert_eq!(parse_part("0.95"), Ok(0.95));
        assert!(parse_part("1.01").is_err() && parse_part("nan").is_err());
    }
}
