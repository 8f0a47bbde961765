//! The pages of shared memory at which a thread of the store looks by itself, and what it does while nothing is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::together::Together;
use crate::plasma::shared::{StorePage, Turns};
use crate::plasma::store::client::ClientId;

/// How long a thread looks for more before it sleeps. A client that has to wake it waits some ten microseconds; nobody
/// else gets the core meanwhile only if nobody else wants it.
const LOOKING: Duration = Duration::from_micros(50);

/// The same while nobody else wants the core: long enough for a client that fills a megabyte before it asks again.
const LOOKING_ALONE: Duration = Duration::from_micros(200);

/// The same while somebody else wants the core all the time, who is not let have it: for what comes at once.
const LOOKING_BRIEFLY: Duration = Duration::from_micros(3);

/// So many looks at pages come between two turns of others, of which each costs as much as these.
const LOOKS: usize = 16;

/// Whoever lets others have the core and has it back sooner than this was alone on it.
const ALONE: Duration = Duration::from_micros(5);

/// To have it back takes less than this where nobody else is there.
const LET_GO: Duration = Duration::from_nanos(1500);

/// Where one thread looks. Clients whose pages are not here wake it.
#[derive(Debug)]
pub(super) struct Lookout {
    pages: Vec<(ClientId, Arc<StorePage>)>,
    /// When something was found in one of them.
    found: Instant,
    /// The longest that somebody else has had the core at once since then.
    away: Duration,
    /// Whether that is a client again and again.
    together: Together,
    /// Whether others have it until the next request.
    turns: Turns,
    /// If there is a single one, whoever looks takes it from whoever is to be seen.
    cores: usize,
}

impl Lookout {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            pages: Vec::new(),
            found: Instant::now(),
            away: Duration::ZERO,
            together: Together::default(),
            turns: Turns::default(),
            cores,
        }
    }

    /// Whether there is nowhere to look.
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The thread looks at this page from now on.
    pub(super) fn add(&mut self, id: ClientId, page: Arc<StorePage>) {
        if !self.pages.iter().any(|(other, _)| *other == id) {
            page.stay_awake();
            self.pages.push((id, page));
            self.begin();
        }
    }

    pub(super) fn remove(&mut self, id: ClientId) {
        self.pages.retain(|(other, _)| *other != id);
    }

    /// Who has asked for something, after some looks if nobody had at once.
    pub(super) fn asking(&self) -> Vec<ClientId> {
        let looks = if self.cores == 1 { 1 } else { (LOOKS / self.pages.len().max(1)).max(1) };
        for _ in 1..looks {
            let asking = self.asking_now();
            if !asking.is_empty() {
                return asking;
            }
            std::hint::spin_loop();
        }
        self.asking_now()
    }

    fn asking_now(&self) -> Vec<ClientId> {
        self.pages.iter().filter(|(_, page)| page.has_request()).map(|(id, _)| *id).collect()
    }

    /// Somebody had, and it has been done.
    pub(super) fn found(&mut self) {
        self.part();
        self.begin();
    }

    /// Nobody has: lets others run, or has the clients wake the thread from now on.
    pub(super) fn wait(&mut self) {
        if self.found.elapsed() >= self.looking() {
            self.pages.retain(|(_, page)| !page.fall_asleep());
        } else if self.turns.are_given() {
            self.away = self.away.max(self.turns.give());
        }
    }

    fn begin(&mut self) {
        self.found = Instant::now();
        self.away = Duration::ZERO;
        self.turns.begin();
    }

    fn looking(&self) -> Duration {
        match (self.cores, self.away >= ALONE) {
            (1, _) => Duration::ZERO,
            _ if !self.turns.are_given() => LOOKING_BRIEFLY,
            (_, true) => LOOKING,
            (_, false) => LOOKING_ALONE,
        }
    }

    /// Goes to another core when a client is on this one, if there are as many cores as threads that have something to do.
    fn part(&mut self) {
        // Who has not let others run cannot know.
        if !self.turns.are_given() || self.pages.len() >= self.cores {
            return;
        }
        if !self.together.is_to_end(self.away >= LET_GO) {
            return;
        }
        for (_, page) in &self.pages {
            page.move_away();
        }
        if let Err(error) = ray_sys::leave_core() {
            log::debug!("a client is on this core, which cannot be left: {error}");
        }
        for (_, page) in &self.pages {
            page.stay_awake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plasma::shared::{ClientPage, Index};

    fn page(index: &Index) -> (Arc<StorePage>, ClientPage) {
        let (store, descriptor) = StorePage::new().unwrap();
        let doorbell = store.doorbell().try_clone_to_owned().unwrap();
        let client = ClientPage::new(index.descriptor().unwrap(), descriptor, doorbell).unwrap();
        (Arc::new(store), client)
    }

    /// Whether the client has rung since this was asked last.
    fn has_rung(page: &StorePage) -> bool {
        rustix::io::read(page.doorbell(), &mut [0; 8]).is_ok()
    }

    #[test]
    fn a_thread_looks_for_a_while_and_is_woken_afterwards() {
        let index = Index::new().unwrap();
        let (idle, of_idle) = page(&index);
        let (asking, of_asking) = page(&index);
        let mut lookout = Lookout::new(8);
        for (number, page) in [(1, &idle), (2, &asking), (2, &asking)] {
            lookout.add(ClientId(number), Arc::clone(page));
        }
        of_asking.send(&[0; 24]).unwrap();
        assert!(!has_rung(&asking), "the thread looks by itself");
        assert_eq!(lookout.asking(), [ClientId(2)]);
        lookout.found();
        while lookout.pages.len() > 1 {
            lookout.wait();
        }
        assert_eq!(lookout.asking(), [ClientId(2)], "where something is to be done it goes on");
        of_idle.send(&[0; 24]).unwrap();
        assert!(has_rung(&idle), "elsewhere it is woken");
        lookout.remove(ClientId(2));
        assert!(lookout.is_empty());
    }

    #[test]
    fn on_a_single_core_nobody_looks_in_vain() {
        let index = Index::new().unwrap();
        let (idle, of_idle) = page(&index);
        let mut lookout = Lookout::new(1);
        lookout.add(ClientId(1), Arc::clone(&idle));
        lookout.wait();
        assert!(lookout.is_empty());
        of_idle.send(&[0; 24]).unwrap();
        assert!(has_rung(&idle));
    }

    #[test]
    fn a_thread_whose_requests_come_while_it_lets_others_run_leaves_its_core() {
        let index = Index::new().unwrap();
        let (page, _client) = page(&index);
        let mut lookout = Lookout::new(2);
        lookout.add(ClientId(1), page);
        let cores = std::thread::available_parallelism().unwrap().get();
        let mut requests = 0;
        let mut seen = rustix::thread::sched_getcpu();
        while cores > 1 && rustix::thread::sched_getcpu() == seen {
            assert!(requests < 1000, "it has stayed");
            requests += 1;
            lookout.away = LET_GO;
            seen = rustix::thread::sched_getcpu();
            lookout.found();
        }
    }
}
