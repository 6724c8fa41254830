//! What the user of `top` has chosen, and what each key changes.

use std::cmp::Reverse;

use crate::top::{ConnectionLine, name};

/// The order of the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Those that carry most now.
    #[default]
    Rate,
    /// Those that carried most.
    Bytes,
    /// The oldest.
    Age,
    /// By the program's name.
    Program,
}

impl Sort {
    /// The word that a person reads.
    pub fn word(self) -> &'static str {
        match self {
            Sort::Rate => "rate",
            Sort::Bytes => "bytes",
            Sort::Age => "age",
            Sort::Program => "program",
        }
    }

    fn next(self) -> Self {
        match self {
            Sort::Rate => Sort::Bytes,
            Sort::Bytes => Sort::Age,
            Sort::Age => Sort::Program,
            Sort::Program => Sort::Rate,
        }
    }
}

/// A key, as far as it means anything here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter or a sign.
    Letter(char),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Ctrl-C.
    Interrupt,
}

/// What the user has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Nothing moves.
    pub paused: bool,
    /// The chosen connection's place in the list.
    pub selected: usize,
    /// Its subflows are shown.
    pub details: bool,
    /// The order.
    pub sort: Sort,
    /// Only connections with this in their program, peer, token or links.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The help is shown.
    pub help: bool,
    /// The end was asked for.
    pub quit: bool,
}

impl View {
    /// What a key does.
    pub fn press(&mut self, key: Key) {
        match key {
            Key::Interrupt => self.quit = true,
            _ if self.typing => self.type_filter(key),
            _ if self.help => self.help = false,
            Key::Letter('q') => self.quit = true,
            Key::Letter('p' | ' ') => self.paused = !self.paused,
            Key::Letter('s') => self.sort = self.sort.next(),
            Key::Letter('/') => self.typing = true,
            Key::Letter('?' | 'h') => self.help = true,
            Key::Enter => self.details = !self.details,
            Key::Escape if self.details => self.details = false,
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Letter('k') => self.selected = self.selected.saturating_sub(1),
            Key::Down | Key::Letter('j') => self.selected = self.selected.saturating_add(1),
            Key::Letter(_) | Key::Backspace => {}
        }
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Letter(letter) => self.filter.push(letter),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.typing = false,
            Key::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Up | Key::Down | Key::Interrupt => {}
        }
    }

    /// Leaves out what the filter does not let through, and puts the rest in order.
    pub fn arrange(&self, list: &mut Vec<ConnectionLine>) {
        let wanted = self.filter.to_lowercase();
        list.retain(|line| {
            let row = &line.row;
            let links = row.subflows.iter().filter_map(|one| one.link.as_ref());
            let links: Vec<&str> = links.map(|link| link.as_str()).collect();
            let token = row.token.as_deref().unwrap_or_default();
            let all = format!(
                "{} {} {token} {}",
                name(row.program.as_ref()),
                row.remote,
                links.join(" ")
            );
            wanted.is_empty() || all.to_lowercase().contains(&wanted)
        });
        let bytes =
            |line: &ConnectionLine| line.row.sent_bytes.saturating_add(line.row.received_bytes);
        match self.sort {
            Sort::Rate => list.sort_by_key(|line| Reverse((line.rate_bit_s, bytes(line)))),
            Sort::Bytes => list.sort_by_key(|line| Reverse(bytes(line))),
            Sort::Age => list.sort_by_key(|line| Reverse((line.older, line.age_s))),
            Sort::Program => {
                list.sort_by_key(|line| name(line.row.program.as_ref()).to_lowercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let mut view = View::default();
        let mut press = |keys: &[Key]| {
            keys.iter().for_each(|key| view.press(*key));
            view.clone()
        };
        assert!(press(&[Key::Letter('p')]).paused);
        assert!(!press(&[Key::Letter(' ')]).paused);
        assert_eq!(press(&[Key::Letter('s')]).sort, Sort::Bytes);
        assert!(press(&[Key::Enter]).details);
        assert!(!press(&[Key::Escape]).details);
        assert_eq!(press(&[Key::Down, Key::Down, Key::Up]).selected, 1);
        // Letters are letters while the filter is typed.
        let typed = press(&[Key::Letter('/'), Key::Letter('q'), Key::Letter('x'), Key::Backspace]);
        assert_eq!((typed.filter.as_str(), typed.typing, typed.quit), ("q", true, false));
        assert_eq!(press(&[Key::Enter]).filter, "q");
        assert_eq!(press(&[Key::Escape]).filter, "");
        assert!(press(&[Key::Letter('?')]).help);
        let closed = press(&[Key::Letter('q')]);
        assert!(!closed.help && !closed.quit, "any key closes the help, and does nothing else");
        assert!(press(&[Key::Letter('q')]).quit);
        let mut view = View { typing: true, ..View::default() };
        view.press(Key::Interrupt);
        assert!(view.quit);
    }
}
