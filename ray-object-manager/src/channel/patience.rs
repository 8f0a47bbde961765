//! How long to wait, and what to look after meanwhile.

use std::time::{Duration, Instant};

use super::protocol::Failure;

/// A limit for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeout {
    /// Try once.
    Immediate,
    /// So long.
    After(Duration),
    /// Until it happens or the channel is closed.
    #[default]
    Never,
}

impl Timeout {
    /// From milliseconds as Ray has them: -1 for ever, 0 not at all.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        match u64::try_from(ms) {
            Err(_) => Self::Never,
            Ok(0) => Self::Immediate,
            Ok(ms) => Self::After(Duration::from_millis(ms)),
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Immediate => Some(Instant::now()),
            // Further away than the clock goes is never.
            Self::After(time) => Instant::now().checked_add(time),
            Self::Never => None,
        }
    }
}

/// Something that is asked from time to time while a call waits; `true` ends the wait.
pub type Interrupt<'a> = (Duration, &'a dyn Fn() -> bool);

/// The patience of one call.
pub struct Patience<'a> {
    deadline: Option<Instant>,
    interrupt: Option<Interrupt<'a>>,
    look_every: Duration,
    // Both begin with the first wait: a call that does not wait asks for no time.
    next_interrupt: Option<Instant>,
    next_look: Option<Instant>,
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Patience until {:?}", self.deadline)
    }
}

impl<'a> Patience<'a> {
    /// A patience for so long, which looks after the other ends as often as that.
    #[must_use]
    pub fn new(timeout: Timeout, interrupt: Option<Interrupt<'a>>, look_every: Duration) -> Self {
        let deadline = timeout.deadline();
        Self { deadline, interrupt, look_every, next_interrupt: None, next_look: None }
    }

    /// Until when to sleep at most before [`Self::due`] is asked again.
    pub(crate) fn slice(&mut self) -> Instant {
        let now = Instant::now();
        let mut until = *self.next_look.get_or_insert(now + self.look_every);
        if let Some((every, _)) = self.interrupt {
            until = until.min(*self.next_interrupt.get_or_insert(now + every));
        }
        self.deadline.map_or(until, |deadline| until.min(deadline))
    }

    /// Whether it is time to look after the other ends.
    ///
    /// # Errors
    /// When the time is over, or the caller is to do something else.
    pub(crate) fn due(&mut self) -> Result<bool, Failure> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Failure::TimedOut);
        }
        if let Some((every, check)) = self.interrupt {
            if now >= *self.next_interrupt.get_or_insert(now + every) {
                self.next_interrupt = Some(now + every);
                if check() {
                    return Err(Failure::Interrupted);
                }
            }
        }
        let is_due = now >= *self.next_look.get_or_insert(now + self.look_every);
        if is_due {
            self.next_look = Some(now + self.look_every);
        }
        Ok(is_due)
    }
}
