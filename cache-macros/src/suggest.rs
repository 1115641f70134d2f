//! "Did you mean": the name that is nearest to a misspelt one.
//!
//! Not a spell checker: it knows nothing of what names mean. Its invariant is that it suggests nothing rather
//! than something far away: at most a third of the letters may differ.

/// The candidate nearest to `written`, if one is near.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = written.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .filter(|candidate| *candidate != written)
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour; letter case and
/// underscores cost nothing, so that `leadId` is near `lead_id`.
fn distance(a: &str, b: &str) -> usize {
    let a = letters(a);
    let b = letters(b);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = at(&above, j) + usize::from(x != y);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && b.get(j - 1) == Some(x) && a.get(i - 1) == Some(y);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

fn letters(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

fn at(row: &[usize], index: usize) -> usize {
    row.get(index).copied().unwrap_or(usize::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_missing_underscore_is_near() {
        assert_eq!(nearest("leadid", ["filters", "lead_id"]), Some("lead_id"));
        assert_eq!(nearest("leadId", ["filters", "lead_id"]), Some("lead_id"));
    }

    #[test]
    fn swapped_letters_are_one_mistake() {
        assert_eq!(distance("tlt", "ttl"), 1);
        assert_eq!(nearest("tlt", ["tier", "ttl"]), Some("ttl"));
    }

    #[test]
    fn another_word_is_not_near() {
        assert_eq!(nearest("customer", ["lead_id", "filters"]), None);
        assert_eq!(nearest("x", ["id"]), None);
    }

    #[test]
    fn the_name_itself_is_no_suggestion() {
        assert_eq!(nearest("id", ["id"]), None);
    }

    #[test]
    fn the_distance_is_symmetric() {
        for (a, b) in [("", "abc"), ("kitten", "sitting"), ("äöü", "aou")] {
            assert_eq!(distance(a, b), distance(b, a));
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
