//! Objects are found: in use already, with one question, or after waiting.

use ray_common::ObjectId;

use super::Session;
use crate::plasma::client::error::Cause;
use crate::plasma::client::object::RawObject;

impl Session {
    /// The objects that are sealed at the latest after so many milliseconds (-1: whenever that is), a reference to
    /// each, in the order of `ids`. An id that stands there twice has two references.
    pub(in crate::plasma::client) fn get(
        &self,
        ids: &[ObjectId],
        timeout_ms: i64,
    ) -> Result<Vec<Option<RawObject>>, Cause> {
        self.check_connected()?;
        let mut found = vec![None; ids.len()];
        let result = self.find(ids, timeout_ms, &mut found);
        if result.is_err() {
            for (id, _) in ids.iter().zip(&found).filter(|(_, object)| object.is_some()) {
                // The first error is the one to tell.
                let _ = self.release(id);
            }
        }
        result.map(|()| found)
    }

    fn find(
        &self,
        ids: &[ObjectId],
        timeout_ms: i64,
        found: &mut [Option<RawObject>],
    ) -> Result<(), Cause> {
        let in_use = self.table().find(ids, found);
        if in_use || self.fetch(ids, found)? || timeout_ms == 0 {
            return Ok(());
        }
        let missing = missing(ids, found);
        let waiter = self.waiters.take(|| self.open_lane());
        let Some(mut waiter) = self.end_on_error(waiter)? else {
            return self.check_connected();
        };
        self.end_on_error(waiter.wait(&missing, timeout_ms))?;
        self.fetch(ids, found)?;
        self.end_on_error(waiter.release())
    }

    /// Asks for those that are not found yet, without waiting. Says whether all are found now.
    fn fetch(&self, ids: &[ObjectId], found: &mut [Option<RawObject>]) -> Result<bool, Cause> {
        self.with_primary(|primary| {
            // Somebody else may have got them before the lock came here.
            if self.table().find(ids, found) {
                return Ok(true);
            }
            let asked = missing(ids, found);
            let got = primary.lane.get(&asked, 0)?;
            for (fd, mmap_size) in got.files {
                primary.files.receive(&mut primary.lane, fd, mmap_size)?;
            }
            let present = asked.iter().zip(&got.objects).filter(|(_, spec)| spec.is_present());
            let objects = present
                .map(|(id, spec)| Ok((*id, primary.files.locate(spec)?)))
                .collect::<Result<Vec<_>, Cause>>()?;
            let mut table = self.table();
            for (id, object) in objects {
                table.insert_sealed(id, object);
            }
            Ok(table.find(ids, found))
        })
    }
}

/// The ids of what is not found, each once.
fn missing(ids: &[ObjectId], found: &[Option<RawObject>]) -> Vec<ObjectId> {
    let missing = ids.iter().zip(found).filter(|(_, object)| object.is_none());
    let mut missing: Vec<ObjectId> = missing.map(|(id, _)| *id).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
