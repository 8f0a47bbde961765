//! How writer and readers take turns: the rules of a channel, over anything that can play its memory.
//!
//! Two semaphores and eight numbers are all that the ends share. The *header* semaphore guards the numbers; it is held for
//! nanoseconds. The *object* semaphore is the right to write: a writer takes it and the last reader of that version gives it
//! back. Readers wait for a version by sleeping until somebody announces a change. An error, once raised, stays: the one who
//! raises it gives both semaphores so that everybody wakes, and who takes one sees the error and passes it on.
//!
//! The numbers and the use of the semaphores are Ray's, whose processes may be at the other end; the announcement is ours,
//! and where the writer is Ray's the [`World`] has to notice versions in another way.
//!
//! There are no guards here that would give something back in a destructor: the tests let an end stop at any step, and what
//! it held then stays held, as when a process is killed.

/// A number of the header. Flags are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Counts the writes that have begun.
    Version,
    /// Whether the current version has been written.
    Sealed,
    /// How many readers the current version is for; -1: any number.
    Readers,
    /// How many of them have not begun to read.
    AcquiresLeft,
    /// How many have not finished.
    ReleasesLeft,
    /// Bytes of data of the current version.
    DataSize,
    /// Bytes of metadata, which follow the data.
    MetadataSize,
}

/// One of the semaphores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The right to look at the numbers.
    Header,
    /// The right to write.
    Object,
}

/// Why something did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The error is raised: an end has closed, failed or died.
    Closed,
    /// It would have taken longer than the caller wants to wait.
    TimedOut,
    /// The version that was asked for has been written over, or all its reads are taken.
    Missed,
    /// The caller's own check says that it must do something else.
    Interrupted,
    /// The numbers cannot be: somebody broke the rules.
    Broken(&'static str),
}

/// The shared memory of a channel, seen from one end.
pub trait World {
    /// How long the caller is ready to wait.
    type Patience;

    /// Reads a number.
    fn get(&self, field: Field) -> i64;
    /// Writes a number; the caller has the header, or is the first to know it.
    fn set(&self, field: Field, value: i64);
    /// Whether the error is raised. Nothing that is done afterwards is seen before it.
    fn has_error(&self) -> bool;
    /// Raises it.
    fn raise_error(&self);
    /// Takes a semaphore, and waits a little for it. Tries at least once.
    fn take(&self, gate: Gate, patience: &mut Self::Patience) -> bool;
    /// Gives a semaphore.
    fn give(&self, gate: Gate);
    /// A number that [`Self::announce`] changes.
    fn generation(&self) -> u32;
    /// Wakes who sleeps.
    fn announce(&self);
    /// Sleeps a little, unless there was an announcement since the generation was `seen` or version `wanted` is there. May
    /// return for no reason.
    fn sleep(&self, seen: u32, wanted: i64, patience: &mut Self::Patience);
    /// Is called between two waits.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] or [`Failure::Interrupted`] when the caller is to wait no longer. Raises the error itself when
    /// an end has died.
    fn go_on(&self, patience: &mut Self::Patience) -> Result<(), Failure>;
    /// A patience for the header, which is never held for long: ends only with the error.
    fn short(&self) -> Self::Patience;
}

/// An error if the error is raised.
///
/// # Errors
/// [`Failure::Closed`].
pub fn check<W: World>(world: &W) -> Result<(), Failure> {
    if world.has_error() {
        Err(Failure::Closed)
    } else {
        Ok(())
    }
}

/// Takes a semaphore, unless the error is raised.
///
/// # Errors
/// [`Failure::Closed`], and whatever ends the patience.
pub fn take<W: World>(world: &W, gate: Gate, patience: &mut W::Patience) -> Result<(), Failure> {
    check(world)?;
    while !world.take(gate, patience) {
        check(world)?;
        world.go_on(patience)?;
        check(world)?;
    }
    check(world).inspect_err(|_| world.give(gate))
}

/// Raises the error and wakes everybody. May be called at any time, and again.
pub fn raise_error<W: World>(world: &W) {
    world.raise_error();
    world.give(Gate::Object);
    world.give(Gate::Header);
    world.announce();
}

/// The rules are broken, and nobody can go on.
fn broken<W: World>(world: &W, what: &'static str) -> Failure {
    raise_error(world);
    Failure::Broken(what)
}

/// Begins to write a version, when all readers of the last one have finished.
///
/// # Errors
/// [`Failure::Closed`], [`Failure::Broken`], and whatever ends the patience.
pub fn write_acquire<W: World>(
    world: &W,
    sizes: (i64, i64),
    readers: i64,
    patience: &mut W::Patience,
) -> Result<(), Failure> {
    take(world, Gate::Object, patience)?;
    take(world, Gate::Header, &mut world.short())?;
    if world.get(Field::AcquiresLeft) != 0 || world.get(Field::ReleasesLeft) != 0 {
        return Err(broken(world, "a version could be written while the last one is read"));
    }
    world.set(Field::Sealed, 0);
    world.set(Field::Version, world.get(Field::Version).wrapping_add(1));
    world.set(Field::DataSize, sizes.0);
    world.set(Field::MetadataSize, sizes.1);
    world.set(Field::Readers, readers);
    world.give(Gate::Header);
    Ok(())
}

/// Lets the readers have the version.
///
/// # Errors
/// [`Failure::Closed`]; [`Failure::Broken`] when there are no readers to have it.
pub fn write_release<W: World>(world: &W) -> Result<(), Failure> {
    take(world, Gate::Header, &mut world.short())?;
    let readers = world.get(Field::Readers);
    if readers == 0 {
        return Err(broken(world, "a version was written for no reader"));
    }
    world.set(Field::AcquiresLeft, readers);
    world.set(Field::ReleasesLeft, readers);
    world.set(Field::Sealed, 1);
    world.give(Gate::Header);
    world.announce();
    Ok(())
}

/// Whether a version, or a later one, is there. Only a hint without the header.
pub fn is_there<W: World>(world: &W, wanted: i64) -> bool {
    world.get(Field::Version) >= wanted && world.get(Field::Sealed) != 0
}

/// A version that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Which; 0 of an object that any number of readers may read.
    pub version: i64,
    /// Bytes of data.
    pub data_size: i64,
    /// Bytes of metadata.
    pub metadata_size: i64,
}

/// Waits for a version and begins to read it.
///
/// # Errors
/// [`Failure::Closed`]; [`Failure::Missed`] when it is there no more or enough readers have it; whatever ends the patience.
pub fn read_acquire<W: World>(
    world: &W,
    wanted: i64,
    patience: &mut W::Patience,
) -> Result<Reading, Failure> {
    loop {
        let mut seen = world.generation();
        while !is_there(world, wanted) {
            check(world)?;
            world.sleep(seen, wanted, patience);
            check(world)?;
            seen = world.generation();
            if is_there(world, wanted) {
                break;
            }
            world.go_on(patience)?;
        }
        take(world, Gate::Header, &mut world.short())?;
        if is_there(world, wanted) {
            let begun = begin_to_read(world, wanted);
            world.give(Gate::Header);
            return begun;
        }
        world.give(Gate::Header);
    }
}

fn begin_to_read<W: World>(world: &W, wanted: i64) -> Result<Reading, Failure> {
    let (data_size, metadata_size) = (world.get(Field::DataSize), world.get(Field::MetadataSize));
    if world.get(Field::Readers) == -1 {
        return Ok(Reading { version: 0, data_size, metadata_size });
    }
    let version = world.get(Field::Version);
    let left = world.get(Field::AcquiresLeft);
    if version != wanted || left <= 0 {
        return Err(Failure::Missed);
    }
    world.set(Field::AcquiresLeft, left - 1);
    Ok(Reading { version, data_size, metadata_size })
}

/// Has read a version. The last reader gives the right to write back.
///
/// # Errors
/// [`Failure::Closed`]; [`Failure::Broken`] when it is not being read.
pub fn read_release<W: World>(world: &W, version: i64) -> Result<(), Failure> {
    take(world, Gate::Header, &mut world.short())?;
    let mut was_last = false;
    if world.get(Field::Readers) != -1 {
        if world.get(Field::Version) != version {
            return Err(broken(world, "a version was written over while it was read"));
        }
        let left = world.get(Field::ReleasesLeft);
        if left <= 0 {
            return Err(broken(world, "more readers have finished than have begun"));
        }
        world.set(Field::ReleasesLeft, left - 1);
        was_last = left == 1;
    }
    world.give(Gate::Header);
    if was_last {
        world.give(Gate::Object);
    }
    Ok(())
}
