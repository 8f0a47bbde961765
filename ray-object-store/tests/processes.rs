//! References across processes: this program starts itself as another one.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ray_common::ObjectId;
use ray_object_store::{ObjectRef, PlasmaStore, Store, StoreError, Timeout};
use support::{until, Plasma};

/// Set for the other process: the socket of the store.
const SOCKET: &str = "OBJECT_STORE_TEST_SOCKET";

type Tree = (Vec<ObjectRef<String>>, Vec<u8>);

/// The other process: it does what it is told, line by line.
#[test]
fn other_process() {
    let Ok(socket) = std::env::var(SOCKET) else { return };
    let store = Store::new(PlasmaStore::connect(socket).unwrap());
    let mut held: Vec<ObjectRef<String>> = Vec::new();
    let mut trees: Vec<ObjectRef<Tree>> = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let id = || rest.parse::<ObjectId>().unwrap();
        let answer = match word {
            "put" => {
                held.push(store.put(&rest.to_owned()).unwrap());
                held.last().unwrap().id().to_string()
            }
            "put-at" => {
                let (id, text) = rest.split_once(' ').unwrap();
                let id = id.parse().unwrap();
                let text = text.to_owned();
                held.push(store.put_at::<ray_object_store::Compact, _>(id, &text).unwrap());
                "done".to_owned()
            }
            "tree" => {
                let leaves = vec![store.put(&rest.to_owned()).unwrap()];
                trees.push(store.put(&(leaves, vec![1; 1000])).unwrap());
                trees.last().unwrap().id().to_string()
            }
            "hold" => {
                held.push(store.reference(id()).unwrap());
                "done".to_owned()
            }
            "get" => held.last().unwrap().get_within(Duration::from_secs(10)).unwrap(),
            "fails" => {
                let held = held.last().unwrap();
                held.get_within(Duration::from_secs(10)).unwrap_err().to_string()
            }
            "exists" => store.exists(id()).unwrap().to_string(),
            "drop" => {
                held.clear();
                trees.clear();
                "done".to_owned()
            }
            "lingering" => store.stats().lingering.to_string(),
            other => panic!("{other}"),
        };
        println!("answer {answer}");
    }
}

struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(plasma: &Plasma) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "other_process", "--nocapture"])
            .env(SOCKET, plasma.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the other process has ended");
            // The test's own words may stand before the first answer.
            if let Some((_, answer)) = line.trim_end().split_once("answer ") {
                return answer.to_owned();
            }
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_object_goes_with_the_last_reference_of_all_processes() {
    let plasma = Plasma::start(64 << 20);
    let store = plasma.plasma();
    let mut other = Other::start(&plasma);
    let id: ObjectId = other.ask("put hello").parse().unwrap();
    let here: ObjectRef<String> = store.reference(id).unwrap();
    assert_eq!(here.get().unwrap(), "hello");
    other.ask("drop");
    assert_eq!(here.get().unwrap(), "hello", "a borrower keeps it");
    drop(here);
    plasma.expect_objects(0);

    // The other way: a borrower's last reference takes nothing from the owner.
    let mine = store.put(&"mine".to_owned()).unwrap();
    other.ask(&format!("hold {}", mine.id()));
    assert_eq!(other.ask("get"), "mine");
    other.ask("drop");
    assert_eq!(mine.get().unwrap(), "mine");
    other.ask(&format!("hold {}", mine.id()));
    drop(mine);
    assert_eq!(other.ask("get"), "mine");
    other.ask("drop");
    plasma.expect_objects(0);
}

#[test]
fn what_is_nested_lives_as_long_as_any_process_reads_what_contains_it() {
    let plasma = Plasma::start(64 << 20);
    let store = plasma.plasma();
    let mut other = Other::start(&plasma);
    let tree: ObjectRef<Tree> = store.reference(other.ask("tree leaf").parse().unwrap()).unwrap();
    other.ask("drop");
    assert_eq!(other.ask("lingering"), "1");
    std::thread::sleep(Duration::from_millis(50));
    let (leaves, _) = tree.get().unwrap();
    drop(tree);
    until("the other process lets go", || other.ask("lingering") == "0");
    assert_eq!(leaves[0].get().unwrap(), "leaf", "there is a reference here");
    drop(leaves);
    plasma.expect_objects(0);
}

#[test]
fn who_awaits_an_object_of_another_process_sleeps_until_it_is_there() {
    let plasma = Plasma::start(64 << 20);
    let mut other = Other::start(&plasma);
    for store in [plasma.plasma(), plasma.tiered(1 << 20)] {
        let ids = [ObjectId::random(), ObjectId::random()];
        let references = ids.map(|id| store.reference::<String>(id).unwrap());
        other.tell(&format!("put-at {} first", ids[0]));
        assert_eq!(store.wait(&references, 1, Timeout::Never).unwrap(), [true, false]);
        assert_eq!(references[0].get().unwrap(), "first");
        let waiting = references.clone();
        let waits = std::thread::spawn({
            let store = store.clone();
            move || store.get_many(&waiting, Timeout::Never)
        });
        std::thread::sleep(Duration::from_millis(20));
        other.tell(&format!("put-at {} second", ids[1]));
        let found = waits.join().unwrap().unwrap();
        assert_eq!(found[1].as_ref().unwrap().as_ref().unwrap(), "second");
        assert_eq!((other.answer(), other.answer()), ("done".to_owned(), "done".to_owned()));
    }
}

#[test]
fn small_objects_are_shared_when_they_are_asked_for() {
    let plasma = Plasma::start(64 << 20);
    let store = plasma.tiered(1 << 20);
    let mut other = Other::start(&plasma);
    let small = store.put(&"small".to_owned()).unwrap();
    assert_eq!(other.ask(&format!("exists {}", small.id())), "false");
    small.share().unwrap();
    other.ask(&format!("hold {}", small.id()));
    drop(small);
    assert_eq!(other.ask("get"), "small");
    other.ask("drop");
    plasma.expect_objects(0);
    let absent: ObjectRef<String> = support::memory(1 << 20).put(&"x".to_owned()).unwrap();
    assert!(matches!(absent.share(), Err(StoreError::NotFound(_))));
}

#[test]
fn what_is_to_come_is_shared_when_it_comes() {
    let plasma = Plasma::start(64 << 20);
    let store = plasma.tiered(1 << 20);
    let mut other = Other::start(&plasma);
    for is_kept in [true, false] {
        let (late, promise) = store.promise::<String>();
        // Large, so that it goes to plasma with what is in it.
        let tree: ObjectRef<Tree> = store.put(&(vec![late.clone()], vec![1; 200_000])).unwrap();
        assert!(store.metadata(tree.id()).unwrap().nested.contains(&late.id()));
        other.ask(&format!("hold {}", late.id()));
        other.tell(if is_kept { "get" } else { "fails" });
        std::thread::sleep(Duration::from_millis(20));
        if is_kept {
            promise.fulfil(&"now".to_owned()).unwrap();
            assert_eq!(other.answer(), "now");
        } else {
            drop(promise);
            assert!(other.answer().contains("OBJECT_LOST"));
        }
        other.ask("drop");
        drop((late, tree));
        plasma.expect_objects(0);
    }
}

#[test]
fn a_process_that_is_killed_leaves_what_others_hold() {
    let plasma = Plasma::start(8 << 20);
    let store = plasma.plasma();
    let mut other = Other::start(&plasma);
    let held: ObjectRef<String> = store.reference(other.ask("put held").parse().unwrap()).unwrap();
    let left: ObjectId = other.ask("put left").parse().unwrap();
    other.kill();
    assert_eq!(held.get().unwrap(), "held");
    assert!(store.exists(left).unwrap(), "it stays until memory is needed");
    for _ in 0..4 {
        store.put_slice(&vec![0u8; 3 << 20]).unwrap().detach();
    }
    assert!(!store.exists(left).unwrap());
    assert_eq!(held.get().unwrap(), "held");
}
