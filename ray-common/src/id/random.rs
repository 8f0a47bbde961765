//! Random bytes.

use std::cell::RefCell;
use std::mem::{needs_drop, ManuallyDrop};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ray_sys::fork_generation;

/// A generator, and the process that it was seeded in.
struct Seeded {
    /// Owns no memory, so nothing is lost if it is not destroyed.
    generator: ManuallyDrop<StdRng>,
    process: u64,
}

thread_local! {
    static SEEDED: RefCell<Option<Seeded>> = const {
        // What is destroyed with a thread could not be asked any more by what is destroyed after it.
        assert!(!needs_drop::<Seeded>());
        RefCell::new(None)
    };
}

/// Fills `bytes` from a generator of this thread's that nobody can foretell: ChaCha with a seed from the operating system. After
/// a fork parent and child draw different bytes, because the child takes a new seed.
///
/// # Panics
/// When the operating system has no randomness to give, which is asked for once in a thread.
pub fn fill_random(bytes: &mut [u8]) {
    let process = fork_generation();
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(seeded) if seeded.process == process => seeded.generator.fill_bytes(bytes),
        _ => seeded.insert(Seeded::new(process)).generator.fill_bytes(bytes),
    });
}

impl Seeded {
    #[cold]
    fn new(process: u64) -> Self {
        let mut seed = <StdRng as SeedableRng>::Seed::default();
        fill_from_system(&mut seed);
        Self { generator: ManuallyDrop::new(StdRng::from_seed(seed)), process }
    }
}

fn fill_from_system(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the operating system has no random bytes: {error}"),
        }
    }
}

/// Fresh random bytes.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::thread;

    use super::*;

    type Drawn = [[u8; 28]; 20];

    /// More than the generator makes at a time.
    fn draw() -> Drawn {
        std::array::from_fn(|_| bytes())
    }

    fn assert_all_differ(drawn: &[Drawn]) {
        let mut seen = HashSet::new();
        for id in drawn.iter().flatten() {
            assert!(seen.insert(id), "{id:x?} twice");
        }
    }

    /// What a fork of this thread draws. It comes as what `true` has written, in whose place the fork writes it.
    fn draw_in_fork(draw: impl FnMut() -> Drawn + Send + Sync + 'static) -> Drawn {
        let mut draw = draw;
        let mut command = Command::new("true");
        let write = move || {
            let drawn = draw();
            let written = rustix::io::write(rustix::stdio::stdout(), drawn.as_flattened())?;
            assert_eq!(written, drawn.as_flattened().len(), "a pipe holds so much at once");
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls and changes memory of its own thread; nothing is allocated.
        let done = unsafe { command.pre_exec(write) }.output().expect("true is a program");
        let mut drawn = Drawn::default();
        drawn.as_flattened_mut().copy_from_slice(&done.stdout);
        drawn
    }

    #[test]
    fn parents_and_children_draw_different_bytes() {
        // A generator that is in use, with bytes left from its last block.
        let before = draw();
        let (first, second) = (draw_in_fork(draw), draw_in_fork(draw));
        assert_all_differ(&[before, first, second, draw()]);
    }

    #[test]
    fn without_a_new_seed_a_child_would_draw_what_its_parent_draws() {
        // So that the test above would notice.
        let kept = || {
            SEEDED.with_borrow_mut(|seeded| {
                let generator = &mut seeded.as_mut().expect("in use").generator;
                let mut drawn = Drawn::default();
                generator.fill_bytes(drawn.as_flattened_mut());
                drawn
            })
        };
        let _ = draw();
        assert_eq!(draw_in_fork(kept), kept());
    }

    #[test]
    fn threads_draw_different_bytes() {
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(draw)).collect();
        let drawn = threads.into_iter().map(|thread| thread.join().expect("it drew"));
        assert_all_differ(&drawn.collect::<Vec<_>>());
    }

    #[test]
    fn bytes_can_be_drawn_while_a_thread_ends() {
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                assert_ne!(bytes::<28>(), [0; 28]);
            }
        }
        thread_local!(static LAST: Last = const { Last });
        let thread = thread::spawn(|| {
            LAST.with(|_| ());
            draw()
        });
        assert_all_differ(&[thread.join().expect("it ended well")]);
    }

    #[test]
    fn every_byte_occurs_at_every_place() {
        let mut seen = vec![[false; 256]; 28];
        for _ in 0..20_000 {
            for (place, byte) in bytes::<28>().into_iter().enumerate() {
                seen[place][usize::from(byte)] = true;
            }
        }
        assert!(seen.iter().flatten().all(|seen| *seen));
    }
}
