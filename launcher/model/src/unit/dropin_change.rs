//! A drop-in of one unit before and after a change: what `enable` and `disable` plan, show, apply
//! and take back. Pure.

use crate::unit::UnitName;

/// A change of one unit's drop-in. It carries both sides, so it can be taken back without looking
/// at the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropinChange {
    /// The unit.
    pub unit: UnitName,
    /// The text of the file as it was found; `None` where there was none.
    pub before: Option<String>,
    /// The text that it shall have; `None` where it shall go.
    pub after: Option<String>,
}

impl DropinChange {
    /// Does it change anything?
    pub fn is_needed(&self) -> bool {
        self.before != self.after
    }

    /// The change back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        DropinChange {
            unit: self.unit.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_its_inverse_lead_back_and_are_needed_alike() {
        let unit = UnitName::new("nginx.service").expect("a name");
        let sides = [None, Some("old".to_owned()), Some("new".to_owned())];
        for before in &sides {
            for after in &sides {
                let (before, after) = (before.clone(), after.clone());
                let change = DropinChange { unit: unit.clone(), before, after };
                let back = change.inverse();
                assert_eq!((&back.before, &back.after), (&change.after, &change.before));
                assert_eq!(back.is_needed(), change.is_needed());
                assert_eq!(back.inverse(), change);
            }
        }
    }
}
