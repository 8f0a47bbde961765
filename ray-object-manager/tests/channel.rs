//! Channels in one process: over a store's objects and over files, many readers, limits, closing, growing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ray_object_manager::channel::growing::{GrowingReader, GrowingWriter};
use ray_object_manager::channel::{
    ChannelError, ChannelFile, ChannelOptions, ChannelReader, ChannelWriter, Timeout,
};
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient};

mod doc_store;

const OPTIONS: ChannelOptions =
    ChannelOptions { look_every: Duration::from_millis(10), set_up_within: Duration::from_secs(5) };
const BOUND: Timeout = Timeout::After(Duration::from_secs(60));

fn file(capacity: usize) -> Arc<ChannelFile> {
    Arc::new(ChannelFile::create("/dev/shm".as_ref(), capacity).unwrap())
}

type File = Arc<ChannelFile>;

fn pair(capacity: usize) -> (ChannelWriter<File>, ChannelReader<File>) {
    let file = file(capacity);
    let writer = ChannelWriter::open(Arc::clone(&file), NonZeroU32::MIN, OPTIONS).unwrap();
    (writer, ChannelReader::open(file, OPTIONS).unwrap())
}

#[test]
fn every_reader_sees_every_value_once_and_in_order() {
    let file = file(1000);
    let readers = 5;
    let count = NonZeroU32::new(readers).unwrap();
    let mut writer = ChannelWriter::open(Arc::clone(&file), count, OPTIONS).unwrap();
    let ends: Vec<_> =
        (0..readers).map(|_| ChannelReader::open(Arc::clone(&file), OPTIONS).unwrap()).collect();
    std::thread::scope(|scope| {
        for reader in &ends {
            scope.spawn(|| {
                for number in 1..=300_u32 {
                    let value = reader.read(BOUND).unwrap();
                    assert_eq!(value.data(), number.to_le_bytes());
                    assert_eq!(value.metadata(), vec![7; (number % 9) as usize]);
                    assert_eq!(value.version(), i64::from(number));
                }
            });
        }
        for number in 1..=300_u32 {
            writer.write(&number.to_le_bytes(), &vec![7; (number % 9) as usize], BOUND).unwrap();
        }
    });
    writer.finish(BOUND).unwrap();
    assert!(ends.iter().all(|reader| reader.read(BOUND).unwrap_err().is_closed()));
}

#[test]
fn a_value_that_is_held_keeps_the_writer_waiting() {
    let (mut writer, reader) = pair(10);
    assert!(matches!(reader.read(Timeout::Immediate), Err(ChannelError::TimedOut)));
    writer.write(b"one", b"", BOUND).unwrap();
    let value = reader.read(Timeout::Immediate).unwrap();
    for timeout in [Timeout::Immediate, Timeout::After(Duration::from_millis(30))] {
        assert!(matches!(writer.write(b"two", b"", timeout), Err(ChannelError::TimedOut)));
        assert!(matches!(reader.read(timeout), Err(ChannelError::TimedOut)));
    }
    assert_eq!(&*value, b"one");
    drop(value);
    writer.write(b"two", b"", Timeout::Immediate).unwrap();
    assert_eq!(&*reader.read(BOUND).unwrap(), b"two");
}

#[test]
fn what_does_not_fit_is_refused_and_harms_nothing() {
    let (mut writer, reader) = pair(10);
    for (data, metadata) in [(11, 0), (0, 11), (6, 5), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        let error = writer.begin(data, metadata, BOUND).map(drop).unwrap_err();
        assert!(matches!(error, ChannelError::TooLarge { capacity: 10, .. }), "{error}");
    }
    writer.write(&[1; 10], b"", BOUND).unwrap();
    assert_eq!(reader.read(BOUND).unwrap().len(), 10);
}

#[test]
fn an_end_that_goes_closes_the_channel_and_values_stay() {
    let (mut writer, reader) = pair(10);
    writer.write(b"value", b"", BOUND).unwrap();
    let value = reader.read(BOUND).unwrap();
    drop(writer);
    assert!(matches!(reader.read(BOUND), Err(ChannelError::Closed)));
    assert_eq!(&*value, b"value");

    let (mut writer, reader) = pair(10);
    let value = writer.begin(1, 0, BOUND).unwrap();
    drop(reader);
    assert!(matches!(value.send(), Err(ChannelError::Closed)));
    assert!(matches!(writer.write(b"", b"", BOUND), Err(ChannelError::Closed)));
}

#[test]
fn a_value_that_is_given_up_closes_the_channel() {
    let (mut writer, reader) = pair(10);
    drop(writer.begin(1, 0, BOUND).unwrap());
    assert!(matches!(reader.read(BOUND), Err(ChannelError::Closed)));
}

#[test]
fn a_reader_too_many_has_missed_the_value() {
    let file = file(10);
    let mut writer = ChannelWriter::open(Arc::clone(&file), NonZeroU32::MIN, OPTIONS).unwrap();
    let (first, second) = (
        ChannelReader::open(Arc::clone(&file), OPTIONS).unwrap(),
        ChannelReader::open(file, OPTIONS).unwrap(),
    );
    writer.write(b"one", b"", BOUND).unwrap();
    let held = first.read(BOUND).unwrap();
    assert!(matches!(second.read(BOUND), Err(ChannelError::Missed)));
    drop(held);
}

#[test]
fn a_channel_over_a_store_grows_and_gives_its_memory_back() {
    let folder = tempfile::tempdir().unwrap();
    let _store = doc_store::start_store(folder.path(), 64 << 20, 0);
    let connect =
        || PlasmaClient::connect(folder.path().join("store"), ConnectOptions::default()).unwrap();
    let two = NonZeroU32::new(2).unwrap();
    let mut writer = GrowingWriter::create(connect(), 10, two, OPTIONS).unwrap();
    let first = writer.id();
    let mut readers = [0; 2].map(|_| GrowingReader::open(connect(), first, OPTIONS).unwrap());
    let sizes = [5, 1000, 10, 3_000_000, 3_000_001, 20_000_000, 1];
    std::thread::scope(|scope| {
        for reader in &mut readers {
            scope.spawn(|| {
                for (number, size) in sizes.iter().enumerate() {
                    let value = reader.read(BOUND).unwrap();
                    let number = u8::try_from(number).unwrap();
                    assert_eq!((value.len(), value.metadata()), (*size, &[number][..]));
                    assert!(value.iter().all(|&byte| byte == number));
                }
            });
        }
        for (number, size) in sizes.iter().enumerate() {
            let number = u8::try_from(number).unwrap();
            writer.write(&vec![number; *size], &[number], BOUND).unwrap();
        }
    });
    let observer = connect();
    assert!(writer.capacity() >= 20_000_000);
    assert!(!observer.contains(first).unwrap());
    let last = writer.id();
    assert!(observer.contains(last).unwrap());
    writer.finish(BOUND).unwrap();
    drop(readers);
    // Releases of other connections arrive when they arrive.
    while observer.contains(last).unwrap() {
        std::thread::yield_now();
    }
}
