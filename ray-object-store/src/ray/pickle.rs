//! As much of Python's pickle, protocol 5, as arrays of NumPy need. Nothing is ever called: what a pickle would build is a
//! tree, in which a call is a node.

use std::ops::Range;

use crate::error::{Result, StoreError};

/// What a pickle builds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    /// Where bytes lie in the pickle.
    Bytes(Range<usize>),
    /// The next of the buffers beside the pickle.
    Buffer(usize),
    /// A name of a module.
    Global(String, String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// A function and its arguments.
    Call(Box<Value>, Box<Value>),
    /// An object and its state.
    Built(Box<Value>, Box<Value>),
    Mark,
}

/// Instructions that a pickle may have, and values that may stand or be remembered; those of arrays have a few dozen.
const MAX_STEPS: usize = 2000;
const MAX_VALUES: usize = 200;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Value>,
    buffers: usize,
    /// Values that came from what was remembered.
    copied: usize,
}

impl Value {
    /// Values in it, with itself.
    fn count(&self) -> usize {
        match self {
            Self::Tuple(values) | Self::List(values) => {
                1 + values.iter().map(Self::count).sum::<usize>()
            }
            Self::Call(first, second) | Self::Built(first, second) => {
                1 + first.count() + second.count()
            }
            _ => 1,
        }
    }
}

fn malformed(what: &str) -> StoreError {
    StoreError::malformed(format!("pickle: {what}"))
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| malformed("cut off"))?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn number(&mut self, count: usize) -> Result<usize> {
        let mut bytes = [0; 8];
        bytes[..count].copy_from_slice(self.take(count)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| malformed("too long"))
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(|| malformed("nothing on the stack"))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let from = self.stack.len().checked_sub(count).ok_or_else(|| malformed("a short stack"))?;
        let values = self.stack.split_off(from);
        self.stack.push(Value::Tuple(values));
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark);
        let mark = mark.ok_or_else(|| malformed("no mark"))?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        self.stack.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<()> {
        let from = self.at;
        self.take(length)?;
        self.stack.push(Value::Bytes(from..self.at));
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Result<()> {
        match self.stack.last_mut() {
            Some(Value::List(list)) => list.extend(values),
            _ => return Err(malformed("no list to append to")),
        }
        Ok(())
    }

    fn remembered(&mut self, number: usize) -> Result<()> {
        let value =
            self.memo.get(number).cloned().ok_or_else(|| malformed("nothing remembered"))?;
        // What is remembered can be put together again and again, and so become large.
        self.copied += value.count();
        if self.copied > MAX_VALUES {
            return Err(malformed("more than an array needs"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn remember(&mut self) -> Result<()> {
        let value = self.stack.last().cloned().ok_or_else(|| malformed("nothing to remember"))?;
        if self.memo.len() == MAX_VALUES {
            return Err(malformed("more than an array needs"));
        }
        self.memo.push(value);
        Ok(())
    }

    fn pair(&mut self, pair: fn(Box<Value>, Box<Value>) -> Value) -> Result<()> {
        let second = self.pop()?;
        let first = self.pop()?;
        self.stack.push(pair(Box::new(first), Box::new(second)));
        Ok(())
    }

    /// One instruction. Returns whether it was the last.
    fn step(&mut self) -> Result<bool> {
        match self.take(1)?[0] {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            0x94 => self.remember()?,
            b'h' => {
                let number = self.number(1)?;
                self.remembered(number)?;
            }
            b'j' => {
                let number = self.number(4)?;
                self.remembered(number)?;
            }
            b'(' => self.stack.push(Value::Mark),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => {
                let number = self.take(1)?[0];
                self.stack.push(Value::Int(number.into()));
            }
            b'M' => {
                let bytes = self.take(2)?;
                self.stack.push(Value::Int(u16::from_le_bytes([bytes[0], bytes[1]]).into()));
            }
            b'J' => {
                let bytes = self.take(4)?.try_into().map_err(StoreError::malformed)?;
                self.stack.push(Value::Int(i32::from_le_bytes(bytes).into()));
            }
            0x8a => {
                let length = self.number(1)?;
                let bytes = self.take(length)?;
                let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                let mut whole = [if negative { 0xff } else { 0 }; 16];
                let place = whole.get_mut(..length).ok_or_else(|| malformed("a huge number"))?;
                place.copy_from_slice(bytes);
                let number = i64::try_from(i128::from_le_bytes(whole));
                self.stack.push(Value::Int(number.map_err(|_| malformed("a huge number"))?));
            }
            0x8c => {
                let length = self.number(1)?;
                self.text(length)?;
            }
            b'X' => {
                let length = self.number(4)?;
                self.text(length)?;
            }
            b'C' => {
                let length = self.number(1)?;
                self.bytes(length)?;
            }
            b'B' => {
                let length = self.number(4)?;
                self.bytes(length)?;
            }
            0x8e => {
                let length = self.number(8)?;
                self.bytes(length)?;
            }
            0x97 => {
                self.stack.push(Value::Buffer(self.buffers));
                self.buffers += 1;
            }
            // That a buffer is for reading only says nothing about the array.
            0x98 => {}
            0x93 => {
                let name = self.pop()?;
                let (Value::Text(module), Value::Text(name)) = (self.pop()?, name) else {
                    return Err(malformed("a name that is no text"));
                };
                self.stack.push(Value::Global(module, name));
            }
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let values = self.since_mark()?;
                self.stack.push(Value::Tuple(values));
            }
            b']' => self.stack.push(Value::List(Vec::new())),
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.since_mark()?;
                self.append(values)?;
            }
            b'R' => self.pair(Value::Call)?,
            b'b' => self.pair(Value::Built)?,
            other => return Err(malformed(&format!("instruction {other:#x}, which no array has"))),
        }
        Ok(false)
    }
}

/// Reads a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    let mut machine =
        Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), buffers: 0, copied: 0 };
    for _ in 0..MAX_STEPS {
        if machine.step()? {
            return machine.pop();
        }
        if machine.stack.len() > MAX_VALUES {
            break;
        }
    }
    Err(malformed("more than an array needs"))
}

/// The pickle of a list with one array, whose elements are the first buffer.
pub(super) fn write_array(code: &str, byte_order: char, shape: &[usize], order: char) -> Vec<u8> {
    let mut body = Vec::new();
    let text = |body: &mut Vec<u8>, text: &str| {
        body.push(0x8c);
        body.push(u8::try_from(text.len()).expect("names are short"));
        body.extend_from_slice(text.as_bytes());
        body.push(0x94);
    };
    body.extend_from_slice(b"]\x94");
    text(&mut body, "numpy._core.numeric");
    text(&mut body, "_frombuffer");
    body.extend_from_slice(b"\x93\x94(\x97");
    text(&mut body, "numpy");
    text(&mut body, "dtype");
    body.extend_from_slice(b"\x93\x94");
    text(&mut body, code);
    body.extend_from_slice(b"\x89\x88\x87\x94R\x94(K\x03");
    text(&mut body, byte_order.encode_utf8(&mut [0; 4]));
    body.extend_from_slice(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b(");
    for extent in shape {
        // Nine bytes, of which the last is the sign's.
        body.extend_from_slice(&[0x8a, 9]);
        body.extend_from_slice(&(*extent as u64).to_le_bytes());
        body.push(0);
    }
    body.extend_from_slice(b"t\x94");
    text(&mut body, order.encode_utf8(&mut [0; 4]));
    body.extend_from_slice(b"t\x94R\x94a.");
    let mut pickle = vec![0x80, 5, 0x95];
    pickle.extend_from_slice(&(body.len() as u64).to_le_bytes());
    pickle.extend_from_slice(&body);
    pickle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let Value::List(list) = read(&write_array("f8", '<', &[2, 70_000], 'C')).unwrap() else {
            panic!("not a list");
        };
        let [Value::Call(function, arguments)] = &list[..] else { panic!("{list:?}") };
        let name = ("numpy._core.numeric".to_owned(), "_frombuffer".to_owned());
        assert_eq!(**function, Value::Global(name.0, name.1));
        let Value::Tuple(arguments) = &**arguments else { panic!("{arguments:?}") };
        assert_eq!(arguments[0], Value::Buffer(0));
        assert_eq!(arguments[2], Value::Tuple(vec![Value::Int(2), Value::Int(70_000)]));
        assert_eq!(arguments[3], Value::Text("C".to_owned()));
    }

    #[test]
    fn cut_off_or_foreign_pickles_are_errors() {
        let pickle = write_array("i4", '<', &[3], 'F');
        for length in 0..pickle.len() {
            assert!(read(&pickle[..length]).is_err(), "{length}");
        }
        // What grows by repeating itself is stopped.
        let mut bomb = b"]\x94".to_vec();
        bomb.extend(b"h\x00h\x00\x86\x94".repeat(5000));
        assert!(read(&bomb).is_err());
    }
}
