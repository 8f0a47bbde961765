//! Objects of a Ray from pip are read by `ray-object-store`, and Ray reads those that it puts, on our store.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::Bytes;
use ray_common::ObjectId;
use ray_object_store::{
    ArrayOrder, ByteOrder, ErrorObject, ErrorType, MessagePack, NumpyArray, ObjectRef, PlasmaStore,
    Store,
};
use serde_json::{json, Value};
use tempfile::TempDir;

/// A driver of Ray's on our store.
struct Driver {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _folders: [TempDir; 2],
}

fn python() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/ray-venv.sh");
    let output = Command::new(script).arg("2.60.0").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Path::new(String::from_utf8(output.stdout).unwrap().trim_end()).join("bin/python")
}

impl Driver {
    fn start() -> Self {
        // Short, for the paths of sockets.
        let temporary = tempfile::Builder::new().prefix("t").tempdir_in("/tmp").unwrap();
        let plasma = TempDir::new_in("/dev/shm").unwrap();
        let library = std::env::current_exe().unwrap().with_file_name("libray_preload.so");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/typed_objects/program.py");
        let mut child = Command::new(env!("CARGO_BIN_EXE_plasma-ray"))
            .arg("--library")
            .arg(library)
            .arg(python())
            .arg(program)
            .args([temporary.path(), plasma.path()])
            .env_remove("RAY_ADDRESS")
            .env("RAY_AUTH_MODE", "disabled")
            .env("RAY_USAGE_STATS_ENABLED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output), _folders: [temporary, plasma] }
    }

    /// What the driver says after this word; nothing when it has ended.
    fn hear(&mut self, word: &str) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.split_once(' ').filter(|(said, _)| *said == word) {
                return Some(serde_json::from_str(said).unwrap());
            }
        }
    }

    fn get(&mut self, id: ObjectId) -> Value {
        writeln!(self.input, "{id}").unwrap();
        self.hear("answer").unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ray gives a node 30 s to start, which a busy machine may need more than once.
fn started() -> (Driver, PathBuf) {
    for _ in 0..3 {
        let mut driver = Driver::start();
        if let Some(socket) = driver.hear("socket") {
            return (driver, socket.as_str().unwrap().into());
        }
    }
    panic!("Ray did not start");
}

struct Objects {
    store: Store,
    ids: BTreeMap<String, ObjectId>,
}

impl Objects {
    fn reference<T: ?Sized>(&self, name: &str) -> ObjectRef<T> {
        self.store.reference(self.ids[name]).unwrap()
    }

    fn array(&self, name: &str) -> NumpyArray {
        self.reference::<NumpyArray>(name).numpy().unwrap()
    }
}

fn rust_reads_pythons(objects: &Objects) {
    let bytes = |name| objects.reference::<Bytes>(name).bytes().unwrap();
    assert_eq!(bytes("bytes"), b"hello from Python".as_slice());
    assert_eq!(bytes("none"), b"".as_slice());
    let large = bytes("large");
    assert!(large.len() == 1 << 20 && large.chunks(256).all(|part| part[255] == 255));

    let line = objects.array("line");
    assert_eq!((line.code(), line.byte_order()), ("i8", ByteOrder::Little));
    assert_eq!(*line.elements::<i64>().unwrap(), [0, 1, 2, 3, 4]);
    let plane = objects.array("plane");
    assert_eq!((plane.shape(), plane.order()), (&[3, 4][..], ArrayOrder::C));
    assert_eq!(plane.elements::<f32>().unwrap()[7], 7.0);
    let fortran = objects.array("fortran");
    assert_eq!((fortran.shape(), fortran.order()), (&[2, 3][..], ArrayOrder::Fortran));
    assert_eq!(*fortran.elements::<f64>().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(
        *objects.array("strided").elements::<i32>().unwrap(),
        [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    );
    let scalar = objects.array("scalar");
    assert!(scalar.shape().is_empty() && scalar.elements::<f64>().unwrap()[0] == 3.5);
    assert_eq!(
        (objects.array("flags").code(), &objects.array("flags").data()[..]),
        ("b1", &[1, 0, 1][..])
    );
    let big = objects.array("big-endian");
    assert_eq!((big.byte_order(), &big.data()[..4]), (ByteOrder::Big, &[0, 0, 0, 1][..]));
    assert!(big.elements::<u16>().is_err());
    assert_eq!(
        (objects.array("complex").code(), objects.array("complex").data().len()),
        ("c16", 64)
    );
    assert_eq!((objects.array("text").code(), objects.array("text").shape()), ("U3", &[2][..]));
    let long = objects.array("long");
    let elements = long.elements::<f64>().unwrap();
    assert!(elements.is_in_place(), "it lies where Ray put it");
    assert!(elements.iter().enumerate().all(|(at, element)| *element == at as f64));
    assert_eq!(objects.array("empty").shape(), [0, 7]);

    type Map = (Vec<Value>, String);
    #[derive(serde::Deserialize)]
    struct Known {
        a: Vec<Value>,
        b: String,
    }
    let known: ObjectRef<Known> = objects.reference("map");
    let known = known.get().unwrap();
    let map: Map = (known.a, known.b);
    assert_eq!(map, (vec![json!(1), json!(2.5), json!(null), json!(true)], "text".to_owned()));
}

fn python_reads_rusts(driver: &mut Driver, store: &Store) {
    let bytes = store.put_bytes(b"hello from Rust").unwrap();
    let answer = driver.get(bytes.id());
    assert_eq!((&answer["type"], &answer["length"]), (&json!("bytes"), &json!(15)), "{answer}");
    let large = store.put_bytes(&vec![7; 3 << 20]).unwrap();
    let answer = driver.get(large.id());
    assert_eq!((&answer["length"], &answer["last"]), (&json!(3 << 20), &json!(7)), "{answer}");

    let elements: Vec<f64> = (0..60_000).map(f64::from).collect();
    let array = store.put_numpy(&elements, &[300, 200]).unwrap();
    let answer = driver.get(array.id());
    assert_eq!(
        (&answer["type"], &answer["shape"]),
        (&json!("<f8"), &json!([300, 200])),
        "{answer}"
    );
    assert_eq!(answer["sum"], json!(elements.iter().sum::<f64>()));
    assert_eq!(answer["own"], false, "it lies where Rust put it");
    let array = store.put_numpy(&[1u8, 2, 3], &[3]).unwrap();
    let answer = driver.get(array.id());
    assert_eq!((&answer["type"], &answer["sum"]), (&json!("|u1"), &json!(6.0)), "{answer}");
    let array = store.put_numpy(&[] as &[i16], &[0, 4]).unwrap();
    assert_eq!(driver.get(array.id())["shape"], json!([0, 4]));

    let value = json!({"a": [1, 2.5, null], "b": "text"});
    let map = store.put_with::<MessagePack, _>(&value).unwrap();
    assert_eq!(driver.get(map.id()), value);

    let cause = "x".parse::<i32>().unwrap_err();
    let error = ErrorObject::from_error(ErrorType::TASK_EXECUTION_EXCEPTION, &cause);
    let failed = store.put_error::<i32>(error).unwrap();
    let answer = driver.get(failed.id());
    assert_eq!(answer["error"], "CrossLanguageError", "{answer}");
    assert!(answer["text"].as_str().unwrap().contains("invalid digit"), "{answer}");
    let freed = store.put_error::<i32>(ErrorObject::new(ErrorType::NODE_DIED, "no power")).unwrap();
    let answer = driver.get(freed.id());
    assert_eq!(answer["error"], "NodeDiedError", "{answer}");
    assert!(answer["text"].as_str().unwrap().contains("no power"), "{answer}");

    let opaque = store.put(&7).unwrap();
    let answer = driver.get(opaque.id());
    assert!(answer["text"].as_str().unwrap().contains("Can't deserialize"), "{answer}");
}

#[test]
fn python_and_rust_read_each_others_objects() {
    let (mut driver, socket) = started();
    let ids = driver.hear("objects").unwrap();
    let ids: BTreeMap<String, String> = serde_json::from_value(ids).unwrap();
    let ids = ids.into_iter().map(|(name, id)| (name, id.parse().unwrap())).collect();
    let store = Store::new(PlasmaStore::connect(socket).unwrap());
    let objects = Objects { store: store.clone(), ids };
    rust_reads_pythons(&objects);
    python_reads_rusts(&mut driver, &store);
    assert!(store.stats().is_idle());
}
