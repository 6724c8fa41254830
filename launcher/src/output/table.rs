//! Tables of plain text: columns as wide as what is in them, the less important ones left out where
//! the reader has no room. On a narrow screen, where even the others would have to be cut, a row takes
//! several lines: half an address says nothing.

use crate::output::term::{Term, Tone, clip};
use crate::output::{NARROW, wrap};

/// What stands between two columns.
const GAP: usize = 2;

/// Text is not clipped below this: a column that wants more room than there is goes instead.
const LEAST: usize = 4;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Numbers end under each other.
    pub right: bool,
    /// The higher, the earlier it goes when there is no room; 0 stays.
    pub spare: u8,
}

/// A column that stays.
pub const fn column(title: &'static str) -> Column {
    Column { title, right: false, spare: 0 }
}

/// A column of numbers.
pub const fn numbers(title: &'static str) -> Column {
    Column { title, right: true, spare: 0 }
}

impl Column {
    /// The column, to be left out where the screen is too narrow: the highest `spare` first.
    #[must_use]
    pub const fn spare(self, spare: u8) -> Column {
        Column { spare, ..self }
    }
}

/// A cell, and its tone if it has one.
pub type Cell = (String, Option<Tone>);

/// A cell without a tone.
pub fn cell(text: impl Into<String>) -> Cell {
    (text.into(), None)
}

/// The lines of a table, its heading first. Every row has a cell for each column.
pub fn table(term: &Term, columns: &[Column], rows: &[Vec<Cell>]) -> String {
    lines(term, columns, rows, term.width >= NARROW)
}

/// A table in which nothing is cut, however wide the screen: its cells are names to paste.
pub fn whole(term: &Term, columns: &[Column], rows: &[Vec<Cell>]) -> String {
    lines(term, columns, rows, false)
}

fn lines(term: &Term, columns: &[Column], rows: &[Vec<Cell>], may_cut: bool) -> String {
    let mut shown: Vec<(usize, usize)> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = rows.iter().map(|row| row[index].0.chars().count());
            (index, cells.chain([column.title.chars().count()]).max().unwrap_or(0))
        })
        .collect();
    let total = |shown: &[(usize, usize)]| {
        shown.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    while total(&shown) > term.width {
        let last = shown.iter().map(|(index, _)| columns[*index].spare).max().unwrap_or(0);
        if last > 0 {
            shown.retain(|(index, _)| columns[*index].spare != last);
            continue;
        }
        if !may_cut {
            return stacked(term, columns, rows);
        }
        // Text is clipped; half a number would be a wrong one.
        let excess = total(&shown) - term.width;
        let texts = (0..shown.len()).filter(|at| !columns[shown[*at].0].right);
        match texts.max_by_key(|at| shown[*at].1).filter(|at| shown[*at].1 > LEAST) {
            Some(widest) => shown[widest].1 -= excess.min(shown[widest].1 - LEAST),
            None if shown.len() > 1 => drop(shown.pop()),
            None => break,
        }
    }
    let titles: Vec<Cell> =
        columns.iter().map(|column| (column.title.to_owned(), Some(Tone::Quiet))).collect();
    let mut text = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        text.push_str(&line(term, columns, &shown, row));
        text.push('\n');
    }
    text
}

/// Columns that a row of several lines still has: those that stay, and those that would go last.
const STACKED: u8 = 1;

/// Each row on lines of its own: what is in the first column, and below it the others with their headings.
/// A single word that is wider than the screen stays whole: the terminal breaks it, and it can be copied.
fn stacked(term: &Term, columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let below: Vec<usize> =
        (1..columns.len()).filter(|index| columns[*index].spare <= STACKED).collect();
    let titles = below.iter().map(|index| columns[*index].title.chars().count());
    let margin = 2 + titles.max().unwrap_or(0) + GAP;
    let mut text = String::new();
    let mut say = |cell: &Cell, title: Option<&str>| {
        let (words, tone) = (clip(&cell.0, usize::MAX), cell.1);
        let set_in = if title.is_some() { margin } else { 0 };
        // Beside its heading where the longest word has room there, else below it.
        let longest = words.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        let beside = set_in + longest <= term.width;
        let set_in = if beside { set_in } else { set_in.min(4) };
        let mut heading =
            title.map_or_else(String::new, |title| format!("  {}", term.paint(Tone::Quiet, title)));
        let taken = title.map_or(0, |title| 2 + title.chars().count());
        if title.is_some() && !beside {
            text.push_str(&heading);
            text.push('\n');
            heading.clear();
        } else if title.is_some() {
            heading.push_str(&" ".repeat(set_in - taken));
        }
        if heading.is_empty() {
            heading = " ".repeat(set_in);
        }
        for line in wrap(&words, term.width.saturating_sub(set_in).max(1)) {
            let line = tone.map_or_else(|| line.clone(), |tone| term.paint(tone, &line));
            text.push_str(&format!("{heading}{line}\n"));
            heading = " ".repeat(set_in);
        }
    };
    for row in rows {
        if !row[0].0.is_empty() {
            say(&row[0], None);
        }
        for index in &below {
            if !row[*index].0.is_empty() {
                say(&row[*index], Some(columns[*index].title));
            }
        }
    }
    text
}

fn line(term: &Term, columns: &[Column], shown: &[(usize, usize)], row: &[Cell]) -> String {
    let mut text = String::new();
    // Padding is only made once something follows it, so that no line ends in blanks.
    let mut owed = 0;
    for (index, width) in shown {
        let (cell, tone) = &row[*index];
        let cell = clip(cell, *width);
        let slack = width - cell.chars().count();
        let before = if columns[*index].right { slack } else { 0 };
        if !cell.is_empty() {
            text.extend(std::iter::repeat_n(' ', owed + before));
            text.push_str(&tone.map_or_else(|| cell.clone(), |tone| term.paint(tone, &cell)));
            owed = 0;
        } else {
            owed += before;
        }
        owed += slack - before + GAP;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [column("LINK"), numbers("BYTES"), column("A LONG REMARK").spare(1)];

    fn rows() -> Vec<Vec<Cell>> {
        vec![vec![cell("wlan0"), cell("12"), cell("")], vec![cell("w"), cell("1234567"), cell("é")]]
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        assert_eq!(
            table(&Term::PLAIN, &COLUMNS, &rows()),
            "LINK     BYTES  A LONG REMARK\nwlan0       12\nw      1234567  é\n"
        );
    }

    #[test]
    fn without_room_spare_columns_go_first_and_then_text_is_clipped() {
        let narrow = |width| table(&Term { width, ..Term::PLAIN }, &COLUMNS, &rows());
        assert_eq!(narrow(20), "LINK     BYTES\nwlan0       12\nw      1234567\n");
        let long = [vec![cell("a".repeat(70)), cell("12"), cell("")]];
        let text = table(&Term { width: 60, ..Term::PLAIN }, &COLUMNS, &long);
        let expected = format!("LINK{}BYTES\n{}…     12\n", " ".repeat(51), "a".repeat(52));
        assert_eq!(text, expected);
    }

    #[test]
    fn on_a_narrow_screen_a_row_is_broken_and_nothing_of_it_is_cut() {
        let narrow = |width| table(&Term { width, ..Term::PLAIN }, &COLUMNS, &rows());
        assert_eq!(
            narrow(13),
            "wlan0\n  BYTES\n    12\nw\n  BYTES\n    1234567\n  A LONG REMARK\n    é\n"
        );
        let columns = [column("PATH"), column("ADDRESS"), column("USE"), numbers("PID").spare(2)];
        let rows = [
            vec![cell("w1"), cell("10.0.1.2"), cell("subflow, or backup"), cell("7")],
            vec![cell(""), cell("2001:db8:1234:5678::2"), cell("backup"), cell("7")],
        ];
        assert_eq!(
            table(&Term { width: 20, ..Term::PLAIN }, &columns, &rows),
            "w1\n  ADDRESS  10.0.1.2\n  USE      subflow,\n           or backup\n  \
             ADDRESS\n    2001:db8:1234:5678::2\n  USE      backup\n"
        );
    }

    #[test]
    fn a_tone_does_not_move_a_column() {
        let term = Term { colour: true, ..Term::PLAIN };
        let rows = [vec![("ab".into(), Some(Tone::Good)), cell("1"), cell("")]];
        let text = table(&term, &COLUMNS, &rows);
        assert!(text.ends_with("\n\x1b[32mab\x1b[0m        1\n"), "{text:?}");
    }
}
