//! Two processes and one array: the first puts it, the second reads it where it lies and puts another one for the first.
//!
//!     cargo run -p ray-object-store --example shared_array

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore as Server, StoreConfig};
use ray_object_store::{NumpyArray, ObjectRef, PlasmaStore, Store};

type Failure = Box<dyn std::error::Error>;

const SHAPE: [usize; 2] = [1000, 500];

/// The second process: reads the id of an array, and writes that of its columns' sums.
fn second(socket: &str) -> Result<(), Failure> {
    let store = Store::new(PlasmaStore::connect(socket)?);
    let mut lines = std::io::stdin().lines();
    let id = lines.next().ok_or("no id")??.parse()?;
    let array: ObjectRef<NumpyArray> = store.reference(id)?;
    let array = array.numpy()?;
    let elements = array.elements::<f64>()?;
    assert!(elements.is_in_place());
    let [_, columns] = array.shape() else { return Err("not a table".into()) };
    let mut sums = vec![0.0; *columns];
    for row in elements.chunks(*columns) {
        row.iter().zip(&mut sums).for_each(|(element, sum)| *sum += element);
    }
    let sums = store.put_numpy(&sums, &[*columns])?;
    println!("{}", sums.id());
    // An id keeps nothing alive: the first process says when it has a reference.
    lines.next().ok_or("no answer")??;
    Ok(())
}

fn first() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("shared-array-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: "/dev/shm".into(),
        fallback_directory: folder.clone(),
        footprint_limit: 64 << 20,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    })?;
    let disk = DiskMonitor::new(vec![folder.clone()], 1.0, std::time::Duration::from_secs(1));
    let socket = folder.join("store");
    let server = Server::start(StoreConfig::new(&socket), allocator, Arc::new(NoHooks::new(disk)))?;

    let store = Store::new(PlasmaStore::connect(&socket)?);
    let elements: Vec<f64> = (0..500_000).map(f64::from).collect();
    let array = store.put_numpy(&elements, &SHAPE)?;

    let mut child = Command::new(std::env::current_exe()?)
        .arg(&socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    writeln!(input, "{}", array.id())?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let sums: ObjectRef<NumpyArray> = store.reference(line.trim().parse()?)?;
    writeln!(input, "thanks")?;
    let status = child.wait()?;
    // The process that put them has gone; what is referred to here has not.
    let sums = sums.numpy()?;
    let sums = sums.elements::<f64>()?;
    println!("the second process {status}; the columns' sums are {} … {}", sums[0], sums[499]);
    assert_eq!((sums[0], sums.len()), (249_750_000.0, SHAPE[1]));

    server.stop();
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    match std::env::args().nth(1) {
        Some(socket) => second(&socket),
        None => first(),
    }
}
