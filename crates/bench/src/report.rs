//! Figures, and what was wanted of them.

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Told for the record.
    Nothing,
}

/// Prints one figure on a line: what, value, unit, and what was wanted.
pub(crate) fn figure(what: &str, value: f64, unit: &str, wanted: Wanted) {
    let verdict = match wanted {
        Wanted::AtMost(bound) if value <= bound => format!("wanted <= {bound}: reached"),
        Wanted::AtMost(bound) => {
            format!("wanted <= {bound}: MISSED by {:.0} %", (value / bound - 1.0) * 100.0)
        }
        Wanted::AtLeast(bound) if value >= bound => format!("wanted >= {bound}: reached"),
        Wanted::AtLeast(bound) => {
            format!("wanted >= {bound}: MISSED by {:.0} %", (1.0 - value / bound) * 100.0)
        }
        Wanted::Nothing => String::new(),
    };
    println!("{what:<66} {value:>10.3} {unit:<6} {verdict}");
}

/// The middle one of some measurements; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
