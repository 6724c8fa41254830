//! Numbers and lists in sentences: `1 path`, `3 paths`, `w1, w2 and w3`.

use std::fmt::Display;

/// The ending of a noun of which there are so many: `path`, `paths`.
pub fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// So many of them: `1 path`, `3 paths`.
pub fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", plural(count))
}

/// All of them: `w1`, `w1 and w2`, `w1, w2 and w3`; nothing where there are none.
pub fn list<T: Display>(items: &[T]) -> String {
    let names: Vec<String> = items.iter().map(T::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural_and_the_last_of_a_list_has_an_and() {
        assert_eq!([0, 1, 2].map(|number| count(number, "path")), ["0 paths", "1 path", "2 paths"]);
        let names = ["w1", "w2", "w3"];
        let lists: Vec<String> = (0..4).map(|length| list(&names[..length])).collect();
        assert_eq!(lists, ["", "w1", "w1 and w2", "w1, w2 and w3"]);
    }
}
