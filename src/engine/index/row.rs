//! A row of the table: slots in groups, in the order of keys. This module takes no locks. The table
//! makes sure that only one thread writes at a time, and that disturbed readers read again.

use std::sync::atomic::{AtomicU32, Ordering};

use prefetch_index::prefetch_index;

use super::key::{Key, Record, TAG_BITS};
use super::pages::{Group, GroupNumber, Pages, SLOTS, Slot};

/// A free slot is searched in this many groups on each side; rows are then 97 % full.
const REACH: usize = 12;
/// A cell contains a group's number and, below it, the number of its used slots.
const COUNT_BITS: u32 = 5;
/// The position of a record in its row: group and slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(usize, usize);

/// A record with its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) record: Record,
    pub(super) spot: Spot,
}

/// The memory of a record, valid while nobody writes to its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) group: GroupNumber,
    pub(super) slot: usize,
}

/// A row: the number of its groups, and a cell for each.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    cells: &'a [AtomicU32],
    pages: &'a Pages,
}

impl<'a> Row<'a> {
    pub(super) const fn new(cells: &'a [AtomicU32], pages: &'a Pages) -> Self {
        Self { cells, pages }
    }

    /// The number of groups.
    fn groups(self) -> usize {
        let groups = self.cells[0].load(Ordering::Relaxed) as usize;
        groups.min(self.cells.len() - 1)
    }

    fn set_groups(self, groups: usize) {
        let groups = u32::try_from(groups).unwrap_or(0);
        self.cells[0].store(groups, Ordering::Relaxed);
    }

    fn cell(self, at: usize) -> u32 {
        self.cells[at + 1].load(Ordering::Relaxed)
    }

    fn set_cell(self, at: usize, cell: u32) {
        self.cells[at + 1].store(cell, Ordering::Relaxed);
    }

    /// A group and the number of its used slots.
    fn group(self, at: usize) -> Option<(Group<'a>, usize)> {
        let group = self.pages.group(self.number(at))?;
        Some((group, self.count(at).min(SLOTS)))
    }

    fn number(self, at: usize) -> GroupNumber {
        GroupNumber(self.cell(at) >> COUNT_BITS)
    }

    fn found(self, at: usize, slot: usize, held: Slot) -> Found {
        Found {
            place: Place(at, slot),
            record: held.record(),
            spot: Spot {
                group: self.number(at),
                slot,
            },
        }
    }

    fn count(self, at: usize) -> usize {
        (self.cell(at) & ((1 << COUNT_BITS) - 1)) as usize
    }

    fn set_count(self, at: usize, count: usize) {
        let number = self.number(at).0;
        self.set_cell(at, number << COUNT_BITS | u32::try_from(count).unwrap_or(0));
    }

    #[cfg(test)]
    pub(super) fn slots(self) -> usize {
        self.groups() * SLOTS
    }

    /// Whether another group fits.
    pub(super) fn has_room(self) -> bool {
        self.groups() + 1 < self.cells.len()
    }

    /// The position of a key: the group, the first slot that is not below it, and whether that slot
    /// has the key. `None` in an empty row, and if a writer interfered.
    fn locate(self, key: Key) -> Option<(usize, usize, bool)> {
        let groups = self.groups();
        if groups == 0 {
            return None;
        }
        let mut at = Self::likely(key, groups);
        let mut place = self.within(at, key)?;
        while place.0 == 0 && !place.1 && at > 0 {
            let left = self.within(at - 1, key)?;
            if left.0 == self.count(at - 1) {
                // Between two groups: at the end of the left one.
                return Some((at - 1, left.0, false));
            }
            (at, place) = (at - 1, left);
        }
        while place.0 == self.count(at) && at + 1 < groups {
            let right = self.within(at + 1, key)?;
            if right.0 == 0 && !right.1 {
                break;
            }
            (at, place) = (at + 1, right);
        }
        Some((at, place.0, place.1))
    }

    /// The first slot of a group that is not below a key, and whether it has the key.
    fn within(self, at: usize, key: Key) -> Option<(usize, bool)> {
        let (group, count) = self.group(at)?;
        let tag = key.tag();
        let mut slot = group.below(tag, count);
        while slot < count && group.tag(slot) == tag {
            match group.rest(slot).cmp(&key.rest()) {
                std::cmp::Ordering::Less => slot += 1,
                std::cmp::Ordering::Equal => return Some((slot, true)),
                std::cmp::Ordering::Greater => break,
            }
        }
        Some((slot, false))
    }

    /// The group of a key if keys were distributed evenly over the row.
    fn likely(key: Key, groups: usize) -> usize {
        (usize::from(key.tag()) * groups) >> TAG_BITS
    }

    /// Prefetches the memory in which a key probably is.
    pub(super) fn prefetch(self, key: Key) {
        // The number of groups need not be known, because most of the cells are used.
        prefetch_index(self.cells, Self::likely(key, self.cells.len()));
        let groups = self.groups();
        if groups > 0
            && let Some((group, _)) = self.group(Self::likely(key, groups))
        {
            group.prefetch();
        }
    }

    /// Searches for a key.
    pub(super) fn find(self, key: Key) -> Option<Found> {
        let (at, slot, is_it) = self.locate(key)?;
        let (group, _) = self.group(at)?;
        is_it.then(|| self.found(at, slot, group.slot(slot)))
    }

    pub(super) fn records(self, shard: usize) -> impl Iterator<Item = (Key, Found)> {
        (0..self.groups()).flat_map(move |at| {
            let group = self.group(at);
            (0..group.map_or(0, |(_, count)| count)).filter_map(move |slot| {
                let held = group?.0.slot(slot);
                Some((Key::of(shard, held), self.found(at, slot, held)))
            })
        })
    }

    pub(super) fn set(self, Place(at, slot): Place, record: Record) {
        if let Some((group, _)) = self.group(at) {
            group.set(slot, group.slot(slot).with(record));
        }
    }

    /// Inserts a record whose key is not present; returns whether there was a slot for it.
    pub(super) fn insert(self, key: Key, record: Record) -> bool {
        let new = key.slot(record);
        let Some((mut at, mut slot, _)) = self.locate(key) else {
            return self.add_group(0).is_some_and(|()| {
                self.put(0, 0, new);
                true
            });
        };
        let groups = self.groups();
        if slot == SLOTS && at + 1 < groups {
            (at, slot) = (at + 1, 0);
        }
        if self.count(at) == SLOTS {
            let room = |at: &usize| self.count(*at) < SLOTS;
            let right = (at + 1..groups.min(at + 1 + REACH)).find(room);
            let left = (at.saturating_sub(REACH)..at).rev().find(room);
            match (left, right) {
                (left, Some(right)) if left.is_none_or(|left| right - at <= at - left) => {
                    self.carry_right(at, right);
                }
                (Some(left), _) => {
                    if slot == 0 {
                        (at, slot) = (at - 1, self.count(at - 1));
                    }
                    if self.count(at) == SLOTS {
                        self.carry_left(at, left);
                        slot -= 1;
                    }
                }
                _ => {
                    if self.split(at).is_none() {
                        return false;
                    }
                    if slot > SLOTS / 2 {
                        (at, slot) = (at + 1, slot - SLOTS / 2);
                    }
                }
            }
        }
        self.put(at, slot, new);
        true
    }

    /// Appends a record after all others; returns whether there was a slot for it.
    pub(super) fn append(self, key: Key, record: Record) -> bool {
        let groups = self.groups();
        if (groups == 0 || self.count(groups - 1) == SLOTS) && self.add_group(groups).is_none() {
            return false;
        }
        let last = self.groups() - 1;
        self.put(last, self.count(last), key.slot(record));
        true
    }

    /// Inserts a slot before the one at `slot`, in a group with room.
    fn put(self, at: usize, slot: usize, new: Slot) {
        let Some((group, count)) = self.group(at) else {
            return;
        };
        for behind in (slot..count).rev() {
            group.set(behind + 1, group.slot(behind));
        }
        group.set(slot, new);
        self.set_count(at, count + 1);
    }

    /// Removes a slot from a group.
    fn pull(self, at: usize, slot: usize) -> Slot {
        let Some((group, count)) = self.group(at) else {
            return Slot::default();
        };
        let pulled = group.slot(slot);
        for behind in slot + 1..count {
            group.set(behind - 1, group.slot(behind));
        }
        self.set_count(at, count - 1);
        pulled
    }

    /// Frees a slot in the group at `from` by moving one record from each group to the next, up to
    /// `to`, which has a free slot.
    fn carry_right(self, from: usize, to: usize) {
        for at in (from + 1..=to).rev() {
            let last = self.pull(at - 1, self.count(at - 1) - 1);
            self.put(at, 0, last);
        }
    }

    fn carry_left(self, from: usize, to: usize) {
        for at in to..from {
            let first = self.pull(at + 1, 0);
            self.put(at, self.count(at), first);
        }
    }

    /// Moves the upper half of a full group to a new group after it.
    fn split(self, at: usize) -> Option<()> {
        self.add_group(at + 1)?;
        let ((from, _), (to, _)) = (self.group(at)?, self.group(at + 1)?);
        for slot in SLOTS / 2..SLOTS {
            to.set(slot - SLOTS / 2, from.slot(slot));
        }
        self.set_count(at, SLOTS / 2);
        self.set_count(at + 1, SLOTS / 2);
        Some(())
    }

    /// Inserts an empty group; the following ones move by one.
    fn add_group(self, at: usize) -> Option<()> {
        let number = self.pages.take()?;
        let groups = self.groups();
        for behind in (at..groups).rev() {
            self.set_cell(behind + 1, self.cell(behind));
        }
        self.set_cell(at, number.0 << COUNT_BITS);
        self.set_groups(groups + 1);
        Some(())
    }

    fn drop_group(self, at: usize) {
        let number = self.number(at);
        let groups = self.groups();
        for behind in at + 1..groups {
            self.set_cell(behind - 1, self.cell(behind));
        }
        self.set_groups(groups - 1);
        self.pages.give_back(number);
    }

    pub(super) fn remove(self, Place(at, slot): Place) {
        self.pull(at, slot);
        if self.count(at) == 0 {
            self.drop_group(at);
        }
    }

    /// Whether more than a fifth of the slots, and more than a group of them, are empty.
    pub(super) fn is_loose(self) -> bool {
        let groups = self.groups();
        let taken: usize = (0..groups).map(|at| self.count(at)).sum();
        taken * 5 < groups * SLOTS * 4 && taken + SLOTS < groups * SLOTS
    }

    /// Moves everything to the left, and frees empty groups.
    pub(super) fn tighten(self) {
        let slots: Vec<Slot> = (0..self.groups())
            .filter_map(|at| self.group(at))
            .flat_map(|(group, count)| (0..count).map(move |slot| group.slot(slot)))
            .collect();
        for (at, part) in slots.chunks(SLOTS).enumerate() {
            if let Some((group, _)) = self.group(at) {
                for (slot, held) in part.iter().enumerate() {
                    group.set(slot, *held);
                }
                self.set_count(at, part.len());
            }
        }
        while self.groups() > slots.len().div_ceil(SLOTS) {
            self.drop_group(self.groups() - 1);
        }
    }
}
