//! Rules of a seccomp profile about the arguments of a call, as OCI's runtime specification and the engines
//! have them in JSON; and how all values of an argument are shared out without overlap. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How an argument is compared (seccomp_rule_add(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Comparison {
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_NE")]
    Unequal,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    Masked,
}

/// What one argument is to be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Argument {
    /// Which one, from 0 on.
    pub(super) index: u32,
    /// What it is compared with; of [`Comparison::Masked`] the bits that count.
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: Comparison,
}

impl Argument {
    /// It is this.
    pub(super) fn equal(index: u32, value: u64) -> Self {
        Argument { index, value, value_two: 0, op: Comparison::Equal }
    }

    /// It is another.
    pub(super) fn unequal(index: u32, value: u64) -> Self {
        Argument { op: Comparison::Unequal, ..Argument::equal(index, value) }
    }

    /// Of these bits of it, it is this.
    pub(super) fn masked(index: u32, mask: u64, value: u64) -> Self {
        Argument { index, value: mask, value_two: value, op: Comparison::Masked }
    }

    /// Is it so of this value?
    pub(super) fn holds(&self, value: u64) -> bool {
        match self.op {
            Comparison::Equal => value == self.value,
            Comparison::Unequal => value != self.value,
            Comparison::Greater => value > self.value,
            Comparison::Masked => value & self.value == self.value_two,
        }
    }

    /// The values at which the answer changes, of equality and inequality.
    pub(super) fn constants(&self) -> Vec<u64> {
        match self.op {
            Comparison::Equal | Comparison::Unequal => vec![self.value],
            Comparison::Greater => vec![self.value, self.value.saturating_add(1)],
            // As many as there may be; what is not so simple is refused (`Rule::read`).
            Comparison::Masked => Vec::new(),
        }
    }
}

/// Every value of an argument, shared out: these constants one by one, and what is between and beyond them.
/// Each with a value that stands for all of its share.
pub(super) fn axis(index: u32, mut constants: Vec<u64>) -> Vec<(Argument, u64)> {
    constants.sort_unstable();
    constants.dedup();
    let mut all = Vec::new();
    let mut from = 0;
    for constant in constants {
        while from < constant {
            // The largest aligned block that fits in between.
            let mut size: u64 = 1;
            while from.is_multiple_of(size * 2) && from + size * 2 <= constant {
                size *= 2;
            }
            let block = match size {
                1 => Argument::equal(index, from),
                size => Argument::masked(index, !(size - 1), from),
            };
            all.push((block, from));
            from += size;
        }
        all.push((Argument::equal(index, constant), constant));
        from = constant + 1;
    }
    let last =
        Argument { op: Comparison::Greater, ..Argument::equal(index, from.saturating_sub(1)) };
    all.push((last, from));
    all
}

/// Every value of an argument but this one of these bits, shared out by the lowest bit that differs.
pub(super) fn others(index: u32, mask: u64, value: u64) -> Vec<Argument> {
    let bits = (0..u64::BITS).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
    bits.map(|bit: u64| {
        let up_to = mask & (bit | (bit - 1));
        Argument::masked(index, up_to, (value ^ bit) & up_to)
    })
    .collect()
}

/// Every value of an argument, shared out in few blocks: true for each value of `yes`, false for each of
/// `no`, and as it comes for others. Values from `end` on, a power of two, are of `no`.
pub(super) fn blocks(index: u32, end: u64, yes: &[u64], no: &[u64]) -> Vec<(Argument, bool)> {
    let mut all = Vec::new();
    let mut left = vec![(0, end)];
    while let Some((from, size)) = left.pop() {
        let has = |values: &[u64]| values.iter().any(|value| (from..from + size).contains(value));
        match (has(yes), has(no)) {
            (true, true) => left.extend([(from, size / 2), (from + size / 2, size / 2)]),
            (is_yes, _) => {
                let block = match size {
                    1 => Argument::equal(index, from),
                    size => Argument::masked(index, !(size - 1), from),
                };
                all.push((block, is_yes));
            }
        }
    }
    let beyond = Argument { op: Comparison::Greater, ..Argument::equal(index, end - 1) };
    all.push((beyond, false));
    all
}

/// What is done about calls with such arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// All of it that an entry of a profile says, but for names, arguments and conditions.
    rest: Map<String, Value>,
    /// As OCI names it.
    pub(super) action: String,
    /// All of them must hold.
    pub(super) args: Vec<Argument>,
}

impl Rule {
    /// One of ours.
    pub(super) fn new(action: &str, args: Vec<Argument>) -> Self {
        Rule { rest: Map::new(), action: action.to_owned(), args }
    }

    /// The rule of an entry; `None` where it has comparisons that cannot be shared out.
    pub(super) fn read(entry: &Map<String, Value>) -> Option<Self> {
        let args: Vec<Argument> = match entry.get("args") {
            None | Some(Value::Null) => Vec::new(),
            Some(args) => serde_json::from_value(args.clone()).ok()?,
        };
        if args.iter().any(|arg| arg.op == Comparison::Masked) {
            return None;
        }
        let action = entry.get("action")?.as_str()?.to_owned();
        let known = ["names", "name", "args", "action", "includes", "excludes", "comment"];
        let mut rest = entry.clone();
        rest.retain(|name, _| !known.contains(&name.as_str()));
        Some(Rule { rest, action, args })
    }

    /// The same for other arguments.
    #[must_use]
    pub(super) fn with(&self, args: Vec<Argument>) -> Self {
        Rule { args, ..self.clone() }
    }

    /// Does it let the call be made?
    pub(super) fn allows(&self) -> bool {
        self.action == "SCMP_ACT_ALLOW"
    }

    /// As an entry of a profile.
    pub(super) fn entry(&self, call: &str, conditions: &Map<String, Value>) -> Value {
        let mut entry = self.rest.clone();
        entry.extend(conditions.clone());
        entry.insert("names".to_owned(), json!([call]));
        entry.insert("action".to_owned(), self.action.clone().into());
        entry.insert("args".to_owned(), json!(self.args));
        Value::Object(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_every_value_once_and_what_is_asked_for() {
        for (yes, no) in
            [(vec![], vec![1]), (vec![0, 5, 6, 7, 127], vec![1, 4]), (vec![64], vec![])]
        {
            let all = blocks(2, 128, &yes, &no);
            for value in (0..600).chain([1 << 31, (1 << 32) + 5, u64::MAX]) {
                let fits: Vec<_> = all.iter().filter(|(one, _)| one.holds(value)).collect();
                assert_eq!(fits.len(), 1, "{value}");
                assert!(fits[0].1 || !yes.contains(&value), "{value}");
                assert!(!fits[0].1 || !no.contains(&value) && value < 128, "{value}");
            }
        }
        for value in [0, 1, 2, 5, 15] {
            let others = others(1, 15, value);
            for kind in 0..64 {
                let fits = others.iter().filter(|one| one.holds(kind)).count();
                assert_eq!(fits, usize::from(kind & 15 != value), "{kind} {value}");
            }
        }
    }

    #[test]
    fn an_axis_has_every_value_once() {
        for constants in [vec![0], vec![2, 10], vec![1, 2, 3, 40, 41], vec![6, 6, 262, 9], vec![95]]
        {
            let all = axis(1, constants.clone());
            for value in (0..600).chain([1 << 31, (1 << 32) + 2, u64::MAX]) {
                let fits: Vec<_> = all.iter().filter(|(one, _)| one.holds(value)).collect();
                assert_eq!(fits.len(), 1, "{value} of {constants:?}");
                assert_eq!(
                    constants.contains(&value),
                    fits[0].1 == value && constants.contains(&fits[0].1)
                );
            }
        }
    }
}
