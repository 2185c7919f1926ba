//! Arrays of words in huge pages, if the system has them. Without them a search in hundreds of
//! megabytes spends a third of its time on address translation.
//!
//! The allocator cannot be asked for huge pages, and `unsafe` is forbidden here. So three crates
//! are used that take care of it: `memmap2` for the memory, `zerocopy` for words in it, `self_cell`
//! to hold both.

use std::sync::atomic::AtomicU64;
use std::{fmt, io};

use memmap2::MmapMut;
use self_cell::{MutBorrow, self_cell};
use zerocopy::FromBytes as _;

type Words<'a> = &'a mut [AtomicU64];

self_cell!(
    /// Memory, and the words in it.
    struct Mapped {
        owner: MutBorrow<MmapMut>,
        #[covariant]
        dependent: Words,
    }
);

/// Words that never move. They start as zeros, and take memory only when written to.
pub(super) struct Slab(Mapped);

impl Slab {
    /// # Errors
    /// The system's error, usually lack of memory.
    pub(super) fn new(words: usize) -> io::Result<Self> {
        let memory = MmapMut::map_anon(words.saturating_mul(size_of::<AtomicU64>()))?;
        // Without huge pages the system uses small ones.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Mapped::try_new(MutBorrow::new(memory), |memory| {
            <[AtomicU64]>::mut_from_bytes(memory.borrow_mut())
                .map_err(|_| io::ErrorKind::InvalidData.into())
        })
        .map(Self)
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        self.0.borrow_dependent()
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slab({})", self.words().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_zero_and_hold_what_is_written() {
        let slab = Slab::new(1_000).unwrap();
        assert_eq!(slab.words().len(), 1_000);
        for (word, n) in slab.words().iter().zip(1..) {
            assert_eq!(word.swap(n, Ordering::Relaxed), 0);
        }
        for (word, n) in slab.words().iter().zip(1..) {
            assert_eq!(word.load(Ordering::Relaxed), n);
        }
    }

    /// Checks the flags of its mapping (proc(5)); whether huge pages are available at the moment
    /// depends on the system.
    #[test]
    #[cfg(target_os = "linux")]
    fn huge_pages_are_asked_for() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            println!("skipped: this system has no huge pages");
            return;
        }
        let slab = Slab::new(1 << 20).unwrap();
        let address = slab.words().as_ptr().addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let holds = |line: &str| {
            let (from, to) = line.split_once(' ')?.0.split_once('-')?;
            let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16));
            Some((from.ok()?..to.ok()?).contains(&address))
        };
        let flags = maps
            .lines()
            .skip_while(|line| holds(line) != Some(true))
            .find(|line| line.starts_with("VmFlags:"))
            .unwrap();
        assert!(flags.split(' ').any(|flag| flag == "hg"), "{flags}");
    }

    #[test]
    fn what_there_is_no_memory_for_is_an_error() {
        assert!(Slab::new(usize::MAX / 16).is_err());
        assert!(Slab::new(usize::MAX).is_err());
    }
}
