//! Tables of plain text: columns as wide as what is in them, the less important ones left out where
//! the reader has no room.

use crate::output::term::{Term, Tone, clip};

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
        assert_eq!(narrow(13), "LINK    BYTES\nwla…       12\nw     1234567\n");
        assert_eq!(narrow(10), "LINK\nwla…\nw\n");
    }

    #[test]
    fn a_tone_does_not_move_a_column() {
        let term = Term { colour: true, ..Term::PLAIN };
        let rows = [vec![("ab".into(), Some(Tone::Good)), cell("1"), cell("")]];
        let text = table(&term, &COLUMNS, &rows);
        assert!(text.ends_with("\n\x1b[32mab\x1b[0m        1\n"), "{text:?}");
    }
}
