//! What somebody may have meant who mistyped a word: the nearest of the words that there are.

/// How many letters may be wrong in a word of so many: in a short one, two are another word.
fn most(letters: usize) -> usize {
    match letters {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    }
}

/// The nearest of the words, by letters that are missing, too many, wrong or exchanged with the next;
/// of several that are as near, each. A word that is cut short stands for those that begin so.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = word.to_lowercase();
    let most = most(wanted.chars().count());
    let all: Vec<(usize, &str)> =
        words.into_iter().map(|one| (distance(&wanted, &one.to_lowercase()), one)).collect();
    let least = all.iter().map(|(distance, _)| *distance).min().filter(|least| *least <= most);
    let begins = |one: &str| wanted.chars().count() >= 2 && one.to_lowercase().starts_with(&wanted);
    let mut found: Vec<&str> = Vec::new();
    for (distance, one) in all {
        let fits = least.map_or_else(|| begins(one), |least| distance == least);
        if fits && !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The distance of Damerau and Levenshtein, each letter changed at most once (optimal string alignment).
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for row in 1..=one.len() {
        let mut now = vec![row];
        for column in 1..=other.len() {
            let same = one[row - 1] == other[column - 1];
            let changed = last[column - 1] + usize::from(!same);
            let mut least = changed.min(last[column] + 1).min(now[column - 1] + 1);
            let exchanged = row > 1
                && column > 1
                && one[row - 1] == other[column - 2]
                && one[row - 2] == other[column - 1];
            if exchanged {
                least = least.min(before[column - 2] + 1);
            }
            now.push(least);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_exchanged_with_the_next_is_one_mistake() {
        for (one, other, expected) in [
            ("stauts", "status", 1),
            ("status", "status", 0),
            ("", "ab", 2),
            ("setup", "set", 2),
            ("chekc", "check", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_the_nearest_words_are_named() {
        let verbs = ["run", "setup", "status", "list", "limits", "counters", "check"];
        for (word, expected) in [
            ("stauts", &["status"][..]),
            ("STATUS", &["status"]),
            ("lits", &["list"]),
            ("count", &["counters"]),
            ("st", &["status"]),
            ("rum", &["run"]),
            ("x", &[]),
            ("frobnicate", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(word, verbs), expected, "{word}");
        }
    }
}
