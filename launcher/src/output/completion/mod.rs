//! The completion scripts: thin, because every candidate comes from `mptcpize complete`.
//!
//! What they read: a first line with the kind (`words`, `files`, `directories`, `program N`, N the
//! index of the program's name, `mptcpize` being 0), then a candidate a line: the word, a tab, a
//! help text.

/// For bash.
pub const BASH: &str = include_str!("mptcpize.bash");
/// For zsh.
pub const ZSH: &str = include_str!("mptcpize.zsh");
/// For fish.
pub const FISH: &str = include_str!("mptcpize.fish");
