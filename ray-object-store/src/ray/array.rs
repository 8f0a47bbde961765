//! Arrays of NumPy, as Ray writes them: a frame, a pickle that describes the array, a protocol buffer that says where its
//! elements lie, and the elements, at a multiple of 64.

use bytemuck::AnyBitPattern;
use bytes::Bytes;
use prost::Message;
use ray_object_manager::plasma::client::Timeout;

use super::frame;
use super::pickle::{self, Value};
use crate::error::{Result, StoreError};
use crate::metadata::Format;
use crate::reference::ObjectRef;
use crate::store::{expect, open, Store};
use crate::view::View;

/// Where buffers lie: at a multiple of this from the start of the data, which in a plasma store is at one, too.
const ALIGNMENT: usize = 64;

/// The message for "the first of the values in the pickle": Ray's extension 101.
const FIRST_VALUE: &[u8] = b"\xd4\x65\x00";

/// Ray's `PythonObject`.
#[derive(Clone, PartialEq, Message)]
struct PythonObject {
    #[prost(uint64, tag = "1")]
    inband_data_size: u64,
    #[prost(uint64, tag = "2")]
    raw_buffers_size: u64,
    #[prost(message, repeated, tag = "3")]
    buffer: Vec<PythonBuffer>,
}

/// Ray's `PythonBuffer`.
#[derive(Clone, PartialEq, Message)]
struct PythonBuffer {
    #[prost(uint64, tag = "1")]
    address: u64,
    #[prost(int64, tag = "2")]
    length: i64,
    #[prost(int64, tag = "3")]
    itemsize: i64,
    #[prost(int32, tag = "4")]
    ndim: i32,
    #[prost(bool, tag = "5")]
    readonly: bool,
    #[prost(string, tag = "6")]
    format: String,
    #[prost(int64, repeated, tag = "7")]
    shape: Vec<i64>,
    #[prost(int64, repeated, tag = "8")]
    strides: Vec<i64>,
}

/// Which index counts fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayOrder {
    /// The last one, as in C.
    C,
    /// The first one, as in Fortran.
    Fortran,
}

/// How numbers of several bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The lowest byte first.
    Little,
    /// The highest byte first.
    Big,
    /// They have one byte, or are no numbers.
    None,
}

/// A Rust type that is an element of NumPy's arrays.
pub trait NumpyType: AnyBitPattern + bytemuck::NoUninit {
    /// NumPy's code, with the size: `f8`.
    const CODE: &'static str;
    /// The code of Python's `struct`, which buffers bear.
    #[doc(hidden)]
    const STRUCT_CODE: &'static str;
}

macro_rules! numpy_types {
    ($($type:ty = $code:literal $format:literal,)*) => {$(
        impl NumpyType for $type {
            const CODE: &'static str = $code;
            const STRUCT_CODE: &'static str = $format;
        }
    )*};
}

numpy_types! {
    i8 = "i1" "b", i16 = "i2" "h", i32 = "i4" "i", i64 = "i8" "l",
    u8 = "u1" "B", u16 = "u2" "H", u32 = "u4" "I", u64 = "u8" "L",
    f32 = "f4" "f", f64 = "f8" "d",
}

/// An array of NumPy, whose elements lie where they were.
///
/// ```
/// use ray_object_store::{MemoryConfig, MemoryStore, Store};
///
/// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
/// let object = store.put_numpy(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0f64], &[2, 3])?;
/// let array = object.numpy()?;
/// assert_eq!((array.code(), array.shape()), ("f8", &[2, 3][..]));
/// assert_eq!(array.elements::<f64>()?[4], 5.0);
/// # Ok::<(), ray_object_store::StoreError>(())
/// ```
#[derive(Debug, Clone)]
pub struct NumpyArray {
    code: String,
    byte_order: ByteOrder,
    shape: Vec<usize>,
    order: ArrayOrder,
    data: Bytes,
}

impl NumpyArray {
    /// NumPy's code of the elements' type, with the size: `f8`, `i4`, `b1`, `U10`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// How the elements' bytes lie.
    #[must_use]
    pub fn byte_order(&self) -> ByteOrder {
        self.byte_order
    }

    /// Elements in each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Which index counts fastest.
    #[must_use]
    pub fn order(&self) -> ArrayOrder {
        self.order
    }

    /// The elements as bytes.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The elements, where they lie.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if they are of another type, or of another machine's byte order.
    pub fn elements<T: NumpyType>(&self) -> Result<View<T>> {
        let native =
            if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
        let is_native = self.byte_order == native || self.byte_order == ByteOrder::None;
        if self.code != T::CODE || !is_native {
            let what = format!("an array of {:?} {}, not {}", self.byte_order, self.code, T::CODE);
            return Err(StoreError::malformed(what));
        }
        View::new(self.data.clone())
    }

    /// Reads the data of an object with Ray's metadata `PYTHON`.
    pub(crate) fn read(data: &Bytes) -> Result<Self> {
        let (message, rest) = frame::split(data)?;
        if message != FIRST_VALUE {
            return Err(StoreError::malformed("Python's value is not a single array"));
        }
        let (sizes, body) = rest.split_at_checked(16).ok_or_else(|| cut_off("sizes"))?;
        let size = |at: usize| {
            let bytes = sizes[at..at + 8].try_into().map_err(StoreError::malformed)?;
            usize::try_from(i64::from_le_bytes(bytes)).map_err(StoreError::malformed)
        };
        let (inband, after) = body.split_at_checked(size(0)?).ok_or_else(|| cut_off("pickle"))?;
        let described = after.get(..size(8)?).ok_or_else(|| cut_off("protocol buffer"))?;
        let object = PythonObject::decode(described).map_err(StoreError::malformed)?;
        let buffers = (data.len() - after.len() + described.len()).next_multiple_of(ALIGNMENT);
        let place = |number: usize| {
            let buffer = object.buffer.get(number).ok_or_else(|| cut_off("buffer"))?;
            let from = usize::try_from(buffer.address).ok().and_then(|at| buffers.checked_add(at));
            let length = usize::try_from(buffer.length).ok();
            let end = from.zip(length).and_then(|(from, length)| from.checked_add(length));
            match (from, end) {
                (Some(from), Some(end)) if end <= data.len() => Ok(data.slice(from..end)),
                _ => Err(cut_off("buffer")),
            }
        };
        let start = data.len() - body.len();
        let array = Description::of(&pickle::read(inband)?)?;
        let elements = match array.elements {
            // Ray leaves buffers without bytes away.
            _ if array.shape.contains(&0) => Bytes::new(),
            Value::Buffer(number) => place(number)?,
            Value::Bytes(range) => data.slice(start + range.start..start + range.end),
            other => return Err(unknown(&other)),
        };
        array.dtype.array(array.shape, array.order, elements)
    }

    /// The data of an object that Ray reads as this array.
    fn write<T: NumpyType>(elements: &[T], shape: &[usize]) -> Result<Vec<u8>> {
        let count = shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        if count != Some(elements.len()) {
            let what = format!("{} elements in the shape {shape:?}", elements.len());
            return Err(StoreError::Serialize(what));
        }
        let native = if cfg!(target_endian = "little") { '<' } else { '>' };
        let byte_order = if size_of::<T>() == 1 { '|' } else { native };
        let bytes: &[u8] = bytemuck::cast_slice(elements);
        let signed = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let mut strides: Vec<i64> = Vec::new();
        let mut stride = size_of::<T>();
        for extent in shape.iter().rev() {
            strides.insert(0, signed(stride));
            stride *= extent;
        }
        let pickle = pickle::write_array(T::CODE, byte_order, shape, 'C');
        let described = PythonObject {
            inband_data_size: pickle.len() as u64,
            raw_buffers_size: bytes.len() as u64,
            buffer: vec![PythonBuffer {
                address: 0,
                length: signed(bytes.len()),
                itemsize: signed(size_of::<T>()),
                ndim: i32::try_from(shape.len())
                    .map_err(|error| StoreError::Serialize(error.to_string()))?,
                readonly: true,
                format: T::STRUCT_CODE.to_owned(),
                shape: shape.iter().map(|extent| signed(*extent)).collect(),
                strides,
            }],
        }
        .encode_to_vec();
        let mut data = Vec::with_capacity(bytes.len() + 512);
        let from = frame::begin(&mut data);
        data.extend_from_slice(FIRST_VALUE);
        frame::end(&mut data, from);
        data.extend_from_slice(&signed(pickle.len()).to_le_bytes());
        data.extend_from_slice(&signed(described.len()).to_le_bytes());
        data.extend_from_slice(&pickle);
        data.extend_from_slice(&described);
        // Ray leaves as much room, wherever the elements begin in it.
        let whole = data.len() + ALIGNMENT + bytes.len();
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
        data.extend_from_slice(bytes);
        data.resize(whole, 0);
        Ok(data)
    }
}

fn cut_off(what: &str) -> StoreError {
    StoreError::malformed(format!("an array whose {what} is cut off"))
}

fn unknown(value: &Value) -> StoreError {
    StoreError::malformed(format!("no array that is known here: {value:?}"))
}

/// The type of elements.
struct Dtype {
    code: String,
    byte_order: ByteOrder,
}

/// What the pickle of an array says.
struct Description {
    dtype: Dtype,
    shape: Vec<usize>,
    order: ArrayOrder,
    elements: Value,
}

fn is_numpy(function: &Value, module: &str, name: &str) -> bool {
    matches!(function, Value::Global(a, b) if b == name
    && a.strip_prefix("numpy").is_some_and(|rest| {
        let rest = rest.strip_prefix("._core").or_else(|| rest.strip_prefix(".core"));
        rest.is_some_and(|rest| rest.strip_prefix('.') == Some(module))
    }))
}

impl Description {
    fn of(value: &Value) -> Result<Self> {
        let list = match value {
            Value::List(list) => &list[..],
            _ => &[],
        };
        let [array] = list else { return Err(unknown(value)) };
        match array {
            // An array without holes.
            Value::Call(function, arguments) if is_numpy(function, "numeric", "_frombuffer") => {
                let Value::Tuple(arguments) = &**arguments else { return Err(unknown(array)) };
                let [elements, dtype, shape, Value::Text(order)] = &arguments[..] else {
                    return Err(unknown(array));
                };
                let order = if order == "F" { ArrayOrder::Fortran } else { ArrayOrder::C };
                let (dtype, shape) = (Dtype::of(dtype)?, extents(shape)?);
                Ok(Self { dtype, shape, order, elements: elements.clone() })
            }
            // A view with holes, whose elements were copied into the pickle.
            Value::Built(made, state) => {
                let is_array = matches!(&**made, Value::Call(function, _) if is_numpy(function, "multiarray", "_reconstruct"));
                let Value::Tuple(state) = &**state else { return Err(unknown(array)) };
                let [_, shape, dtype, Value::Bool(is_fortran), elements] = &state[..] else {
                    return Err(unknown(array));
                };
                if !is_array {
                    return Err(unknown(array));
                }
                let order = if *is_fortran { ArrayOrder::Fortran } else { ArrayOrder::C };
                let (dtype, shape) = (Dtype::of(dtype)?, extents(shape)?);
                Ok(Self { dtype, shape, order, elements: elements.clone() })
            }
            other => Err(unknown(other)),
        }
    }
}

fn extents(shape: &Value) -> Result<Vec<usize>> {
    let Value::Tuple(shape) = shape else { return Err(unknown(shape)) };
    let extent = |extent: &Value| match extent {
        Value::Int(extent) => usize::try_from(*extent).map_err(StoreError::malformed),
        other => Err(unknown(other)),
    };
    shape.iter().map(extent).collect()
}

impl Dtype {
    fn of(value: &Value) -> Result<Self> {
        let Value::Built(made, state) = value else { return Err(unknown(value)) };
        let (Value::Call(function, arguments), Value::Tuple(state)) = (&**made, &**state) else {
            return Err(unknown(value));
        };
        let is_dtype = **function == Value::Global("numpy".to_owned(), "dtype".to_owned());
        let Value::Tuple(arguments) = &**arguments else { return Err(unknown(value)) };
        let (Some(Value::Text(code)), Some(Value::Text(order)), true) =
            (arguments.first(), state.get(1), is_dtype)
        else {
            return Err(unknown(value));
        };
        let byte_order = match &order[..] {
            "<" => ByteOrder::Little,
            ">" => ByteOrder::Big,
            _ => ByteOrder::None,
        };
        Ok(Self { code: code.clone(), byte_order })
    }

    /// Bytes of an element.
    fn size(&self) -> Option<usize> {
        let (kind, size) = self.code.split_at_checked(1)?;
        let size: usize = size.parse().ok()?;
        match kind {
            "U" => size.checked_mul(4),
            "b" | "i" | "u" | "f" | "c" | "S" | "V" | "m" | "M" => Some(size),
            _ => None,
        }
    }

    fn array(self, shape: Vec<usize>, order: ArrayOrder, data: Bytes) -> Result<NumpyArray> {
        let bytes = shape.iter().try_fold(self.size().unwrap_or(0), |all, n| all.checked_mul(*n));
        if bytes != Some(data.len()) || self.size().is_none() {
            let what = format!("{} bytes for {shape:?} elements of {}", data.len(), self.code);
            return Err(StoreError::malformed(what));
        }
        Ok(NumpyArray { code: self.code, byte_order: self.byte_order, shape, order, data })
    }
}

impl Store {
    /// Puts an array as Ray does: Python gets a NumPy array that lies in shared memory. The elements are in C's order.
    ///
    /// # Errors
    /// As [`Store::put`]; [`StoreError::Serialize`] if the shape has another number of elements.
    pub fn put_numpy<T: NumpyType>(
        &self,
        elements: &[T],
        shape: &[usize],
    ) -> Result<ObjectRef<NumpyArray>> {
        let data = NumpyArray::write(elements, shape)?;
        self.put_plain(Format::PYTHON, std::any::type_name::<NumpyArray>(), &data)
    }
}

impl ObjectRef<NumpyArray> {
    /// The array, as soon as it is there; written by Ray's Python, or by [`Store::put_numpy`].
    ///
    /// # Errors
    /// As [`ObjectRef::get`].
    pub fn numpy(&self) -> Result<NumpyArray> {
        let object = self.raw(Timeout::Never)?;
        let name = std::any::type_name::<NumpyArray>();
        let (metadata, data) = open(&object, self.id(), Some(name))?;
        expect(&metadata, Format::PYTHON, "an array of NumPy")?;
        NumpyArray::read(&data)
    }
}

#[cfg(test)]
mod tests;
