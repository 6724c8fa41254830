//! A little graph of rates in one line of text.

use mptcpize_model::top::STILL_BIT_S;

/// The heights of a column.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A graph of 16 columns, the latest value at its right end; its own highest value is full.
pub(super) fn graph(history: &[u64]) -> String {
    let highest = history.iter().copied().max().unwrap_or(0).max(1);
    // A path that never carried anything has no graph: its asking neighbours are not drawn as full.
    if highest < STILL_BIT_S {
        return format!("{:>16}", LEVELS[0].to_string().repeat(history.len()));
    }
    let level = |value: &u64| LEVELS[(u128::from(*value) * 7 / u128::from(highest)) as usize];
    let drawn: String = history.iter().map(level).collect();
    format!("{drawn:>16}")
}
