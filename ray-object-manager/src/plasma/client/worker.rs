//! The thread on which an asynchronous client exchanges messages with the store.
//!
//! A job is never given up half way, whoever waited for it. So the stream always stands between two exchanges, and
//! what a job was to do and what it brought is dropped like anything else.

use std::io;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

type Job = Box<dyn FnOnce() + Send>;

/// Something to be repeated until it says that it is over.
type Chore = Box<dyn FnMut() -> bool + Send>;

enum Task {
    Once(Job),
    Repeated(Chore),
}

/// The way to such a thread. The thread ends when the last copy has gone.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    tasks: Sender<Task>,
}

impl Worker {
    /// Starts a thread that repeats its chores after this time.
    pub(super) fn start(pause: Duration) -> io::Result<Self> {
        let (tasks, incoming) = channel();
        let thread = std::thread::Builder::new().name("plasma.client".to_owned());
        thread.spawn(move || run(&incoming, pause))?;
        Ok(Self { tasks })
    }

    /// Does something, behind what it was given before. If the thread has died, the job is dropped.
    pub(super) fn post(&self, job: impl FnOnce() + Send + 'static) {
        let _ = self.tasks.send(Task::Once(Box::new(job)));
    }

    /// Does something now and then, until it returns true.
    pub(super) fn repeat(&self, chore: impl FnMut() -> bool + Send + 'static) {
        let _ = self.tasks.send(Task::Repeated(Box::new(chore)));
    }
}

fn run(tasks: &Receiver<Task>, pause: Duration) {
    let mut chores: Vec<Chore> = Vec::new();
    let mut next = Instant::now();
    loop {
        let left = next.saturating_duration_since(Instant::now());
        if !chores.is_empty() && left.is_zero() {
            chores.retain_mut(|chore| !chore());
            next = Instant::now() + pause;
            continue;
        }
        let task = if chores.is_empty() {
            tasks.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            tasks.recv_timeout(left)
        };
        match task {
            Ok(Task::Once(job)) => job(),
            Ok(Task::Repeated(chore)) => {
                if chores.is_empty() {
                    next = Instant::now();
                }
                chores.push(chore);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn jobs_run_in_order_and_the_thread_ends() {
        let worker = Worker::start(Duration::from_secs(60)).unwrap();
        let (done, seen) = channel();
        for number in 0..100 {
            let done = done.clone();
            worker.post(move || done.send(number).unwrap());
        }
        drop((worker, done));
        assert_eq!(seen.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn chores_are_repeated_until_they_are_over_and_hold_up_nobody() {
        let worker = Worker::start(Duration::from_millis(2)).unwrap();
        let (over, ended) = channel();
        let rounds = Arc::new(AtomicUsize::new(0));
        for last in [3, 5] {
            let (over, rounds) = (over.clone(), Arc::clone(&rounds));
            let mut own = 0;
            worker.repeat(move || {
                rounds.fetch_add(1, Ordering::Relaxed);
                own += 1;
                if own == last {
                    over.send(last).unwrap();
                }
                own == last
            });
        }
        // Jobs that never end do not keep chores from their turn.
        let busy = {
            let worker = worker.clone();
            move || {
                while ended.try_recv() != Ok(5) {
                    let (done, job) = channel();
                    worker.post(move || done.send(()).unwrap());
                    job.recv().unwrap();
                }
            }
        };
        std::thread::spawn(busy).join().unwrap();
        assert_eq!(rounds.load(Ordering::Relaxed), 8);
    }
}
