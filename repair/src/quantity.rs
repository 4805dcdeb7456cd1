//! Quantities as people write them: bytes, times, parts.

use std::time::Duration;

use archive::audit::AuditMode;

/// Units of bytes; the longest that fits is taken.
const BYTES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

/// Units of time, in seconds.
const SECONDS: &[(char, u64)] = &[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A number of bytes: `50MiB`, `2GB`, `4096`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no number of bytes above 0, such as \"50MiB\", \"2GB\" or \"4096\"");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = BYTES.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(wrong)?.1;
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// A time: `2h`, `1h30m`, `90s`, or a number of seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no time above 0, such as \"2h\", \"1h30m\", \"90s\" or \"600\" (seconds)");
    if let Ok(seconds) = text.parse::<u64>() {
        return if seconds > 0 { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) };
    }
    let (mut seconds, mut rest) = (0_u64, text);
    for (unit, factor) in SECONDS {
        if let Some((number, after)) = rest.split_once(*unit) {
            let number: u64 = number.parse().map_err(|_| wrong())?;
            seconds =
                number.checked_mul(*factor).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
            rest = after;
        }
    }
    if rest.is_empty() && seconds > 0 { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

/// How thoroughly to audit: `quick`, `deep`, `sample=5%`.
pub(crate) fn audit_mode(text: &str) -> Result<AuditMode, String> {
    let wrong = || {
        format!("{text:?} is no audit: allowed are \"quick\", \"deep\" and a sample, such as \"sample=5%\"")
    };
    match text {
        "quick" => Ok(AuditMode::Quick),
        "deep" => Ok(AuditMode::Deep),
        _ => {
            let percent =
                text.strip_prefix("sample=").and_then(|rest| rest.strip_suffix('%')).ok_or_else(wrong)?;
            let fraction = percent.parse::<f64>().map_err(|_| wrong())? / 100.0;
            if fraction > 0.0 && fraction <= 1.0 { Ok(AuditMode::Sample(fraction)) } else { Err(wrong()) }
        }
    }
}

/// A number of bytes for people.
pub(crate) fn bytes_text(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("50MiB"), Ok(50 << 20));
        assert_eq!(bytes("2 GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "0", "-1", "5mib", "5 parsecs", "99999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units_in_falling_order() {
        assert_eq!(time("600"), Ok(Duration::from_secs(600)));
        assert_eq!(time("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(time("1d2h3m4s"), Ok(Duration::from_secs(93_784)));
        for bad in ["", "0", "0s", "h", "3m2h", "2h5", "2 h", "-1", "99999999999999999999d"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn audits_have_names() {
        assert_eq!(audit_mode("quick"), Ok(AuditMode::Quick));
        assert_eq!(audit_mode("deep"), Ok(AuditMode::Deep));
        assert_eq!(audit_mode("sample=5%"), Ok(AuditMode::Sample(0.05)));
        assert_eq!(audit_mode("sample=100%"), Ok(AuditMode::Sample(1.0)));
        for bad in ["", "Quick", "sample", "sample=5", "sample=0%", "sample=101%", "sample=NaN%"] {
            assert!(audit_mode(bad).is_err(), "{bad}");
        }
    }
}
