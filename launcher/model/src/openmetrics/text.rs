//! Metrics as text: the lines of a family, its samples, and what a label's value may not hold.

use std::fmt::Write;

use super::{Form, Measured};
use crate::plain;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows; its samples are called NAME_total.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is 1, and its labels say something; its sample is called NAME_info.
    Info,
}

/// A metric: a row of the table.
pub(super) struct Family {
    /// Its name, without `mptcpize_` before it and what its kind appends. A unit is its end.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) kind: Kind,
    /// What it counts, in a clause without a full stop.
    pub(super) help: &'static str,
    /// Its samples.
    pub(super) samples: fn(&Measured<'_>, &mut Samples),
}

/// Labels, by name and value.
type Labels = Vec<(&'static str, String)>;

/// The samples of a family, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(Labels, f64)>);

impl Samples {
    /// Adds a sample with its labels.
    pub(super) fn add(&mut self, labels: &[(&'static str, &str)], value: impl Number) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
        self.0.push((labels.collect(), value.number()));
    }
}

/// What a sample's value may be. A float has whole numbers to 2⁵³, as all that reads these texts has.
pub(super) trait Number {
    /// As a float.
    fn number(self) -> f64;
}

impl Number for u64 {
    #[expect(clippy::cast_precision_loss, reason = "the reader has floats too")]
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    #[expect(clippy::cast_precision_loss, reason = "the reader has floats too")]
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for u32 {
    fn number(self) -> f64 {
        self.into()
    }
}

impl Number for bool {
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

/// The units that a name may end with.
const UNITS: [&str; 2] = ["bytes", "seconds"];

/// Writes all families that have a sample.
pub(super) fn write<'a>(
    table: impl Iterator<Item = &'a Family>,
    measured: &Measured<'_>,
    form: Form,
) -> String {
    let mut text = String::new();
    for family in table {
        let mut samples = Samples::default();
        (family.samples)(measured, &mut samples);
        if !samples.0.is_empty() {
            write_family(&mut text, family, &samples, form);
        }
    }
    // Without it a reader of OpenMetrics takes the text for cut off; to the older form it is a comment.
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &Family, samples: &Samples, form: Form) {
    let bare = format!("mptcpize_{}", family.name);
    let sample = match family.kind {
        Kind::Counter => format!("{bare}_total"),
        Kind::Gauge => bare.clone(),
        Kind::Info => format!("{bare}_info"),
    };
    // The older form knows no infos, and calls a family as its samples are called.
    let (name, kind) = match (form, family.kind) {
        (Form::OpenMetrics, Kind::Counter) => (&bare, "counter"),
        (Form::OpenMetrics, Kind::Info) => (&bare, "info"),
        (Form::Prometheus, Kind::Counter) => (&sample, "counter"),
        (_, Kind::Gauge) | (Form::Prometheus, Kind::Info) => (&sample, "gauge"),
    };
    let _ = writeln!(text, "# HELP {name} {}.", family.help);
    let _ = writeln!(text, "# TYPE {name} {kind}");
    let unit = UNITS.iter().find(|unit| family.name.ends_with(&format!("_{unit}")));
    if let (Form::OpenMetrics, Some(unit)) = (form, unit) {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    for (labels, value) in &samples.0 {
        text.push_str(&sample);
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{name}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{end} {value}");
    }
}

/// A label's value: what a terminal would obey is written out first, then what would end the value is
/// escaped.
fn escaped(value: &str) -> String {
    plain::words(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
