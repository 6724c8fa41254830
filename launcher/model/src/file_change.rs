//! One file of the host before and after a change: what `enable --system` and `disable --system`
//! plan, show, apply and take back. Pure.

use std::path::PathBuf;

/// A change of one file. It carries both sides, so it can be taken back without looking at the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path, from the root of the host or image.
    pub path: PathBuf,
    /// The bytes that were found; `None` where there was no file.
    pub before: Option<Vec<u8>>,
    /// The bytes that it shall have; `None` where it shall go.
    pub after: Option<Vec<u8>>,
    /// The reason that a person reads, as a clause.
    pub why: &'static str,
}

impl FileChange {
    /// Does it change anything?
    pub fn is_needed(&self) -> bool {
        self.before != self.after
    }

    /// The change back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        FileChange {
            path: self.path.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            why: self.why,
        }
    }

    /// `+` for a new file, `-` for one that goes, `~` for other content.
    pub fn sign(&self) -> char {
        match (&self.before, &self.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_its_inverse_lead_back_with_the_other_sign() {
        let sides = [None, Some(b"old".to_vec()), Some(b"new".to_vec())];
        for before in &sides {
            for after in &sides {
                let (before, after) = (before.clone(), after.clone());
                let change = FileChange { path: "/etc/file".into(), before, after, why: "" };
                let back = change.inverse();
                assert_eq!((&back.before, &back.after), (&change.after, &change.before));
                assert_eq!(back.is_needed(), change.is_needed());
                assert_eq!(back.inverse(), change);
                let opposite = match change.sign() {
                    '+' if change.after.is_some() => '-',
                    '-' => '+',
                    same => same,
                };
                assert_eq!(back.sign(), opposite);
            }
        }
    }
}
