//! What a time to live changes in a GROUP BY.
//!
//! A group that has not been written for so long is as if it had never been: its next row makes a
//! new one (`+I`), and nobody takes the old content back. What would take rows of a forgotten group
//! back is ignored. And every write sends the group's content, changed or not, so that those who
//! read it write it too.
//!
//! Source: Flink 2.3, `GroupAggFunction` and `MiniBatchGroupAggFunction`.

use std::collections::HashMap;

/// The rows that remain of a batch when leading retractions of groups without rows are left out;
/// none if all remain. `count` gives the rows of a group before the batch.
pub(super) fn without_leading_retractions(
    ids: &[u32],
    signs: &[i8],
    count: impl Fn(u32) -> i64,
) -> Option<Vec<u32>> {
    if signs.iter().all(|&sign| sign > 0) {
        return None;
    }
    let mut counts: HashMap<u32, i64> = HashMap::new();
    let mut kept = Vec::with_capacity(ids.len());
    for (row_idx, (&id, &sign)) in (0_u32..).zip(ids.iter().zip(signs)) {
        let n_rows = counts.entry(id).or_insert_with(|| count(id));
        if sign < 0 && *n_rows == 0 {
            continue;
        }
        *n_rows += i64::from(sign);
        kept.push(row_idx);
    }
    (kept.len() < ids.len()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_before_any_row_is_left_out() {
        let ids = [1, 2, 1, 1, 2, 3];
        let signs = [-1, -1, 1, -1, -1, 1];
        let count = |id: u32| if id == 2 { 1 } else { 0 };
        let kept = without_leading_retractions(&ids, &signs, count);
        assert_eq!(kept, Some(vec![1, 2, 3, 5]));
        assert_eq!(without_leading_retractions(&ids, &[1; 6], count), None);
    }
}
