//! Tables that were once large: they keep the memory of the most they ever held, unless somebody gives it back.

use hashbrown::HashMap;

/// Below this many places nothing is worth giving back.
const SMALL: usize = 64;
/// A table gives memory back when at most one in so many of its places is in use, and keeps twice what is: so it takes many
/// changes before it grows or shrinks again.
const SPARE: usize = 8;

/// Gives back what a table keeps of its past. For after removals: costs a comparison, and a move of what is left each time
/// the table has become an eighth of what it was.
pub fn slim<K: std::hash::Hash + Eq, V, S: std::hash::BuildHasher>(table: &mut HashMap<K, V, S>) {
    if table.capacity() > SMALL && table.len() <= table.capacity() / SPARE {
        table.shrink_to(2 * table.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_follows_what_it_holds() {
        let mut table: HashMap<u32, u32> = (0..10_000).map(|n| (n, n)).collect();
        let (large, mut moves) = (table.allocation_size(), 0);
        for n in 0..9_990 {
            table.remove(&n);
            let before = table.capacity();
            slim(&mut table);
            moves += usize::from(table.capacity() < before);
            assert!(table.capacity() <= SMALL.max(SPARE * (table.len() + 1)), "{n}: {}", table.capacity());
        }
        assert_eq!((table.len(), table.get(&9_995)), (10, Some(&9_995)));
        let small = table.allocation_size();
        assert!(small < large / 20 && moves <= 10, "{large}, {small}, {moves} moves");
        // One that comes and goes at the edge moves nothing.
        let mut edge: HashMap<u32, u32> = (0..1_000).map(|n| (n, n)).collect();
        edge.retain(|n, _| *n < 100);
        slim(&mut edge);
        // Not its capacity, which places that were left count against until it is sorted anew.
        let settled = edge.allocation_size();
        for n in 0..50 {
            edge.insert(1_000, n);
            slim(&mut edge);
            edge.remove(&1_000);
            slim(&mut edge);
            assert_eq!(edge.allocation_size(), settled);
        }
    }
}
