use super::*;

/// What Ray 2.60.0 with NumPy 2.4.6 put for `np.arange(12, dtype=np.float32).reshape(3, 4)`, observed in its store.
fn rays_array() -> Vec<u8> {
    let hex = "030000000000000000d465007b00000000000000190000000000000080059570000000000000005d948c136e756d70792e5f636f72\
        652e6e756d65726963948c0b5f66726f6d62756666657294939428978c056e756d7079948c0564747970659493948c02663494898887945294\
        284b038c013c944e4e4e4affffffff4affffffff4b007494624b034b0486948c01439474945294612e087b10301a1310301804200228013201\
        663a02030442021004";
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let mut data: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
    let whole = data.len() + ALIGNMENT + 48;
    data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    (0..12u8).for_each(|number| data.extend_from_slice(&f32::from(number).to_le_bytes()));
    data.resize(whole, 0);
    assert_eq!(whole, 288);
    data
}

#[test]
fn rays_array_is_read_in_place() {
    let data = Bytes::from(rays_array());
    let array = NumpyArray::read(&data).unwrap();
    assert_eq!((array.code(), array.shape(), array.order()), ("f4", &[3, 4][..], ArrayOrder::C));
    assert_eq!(array.data().as_ptr().addr() - data.as_ptr().addr(), 192);
    assert_eq!(array.elements::<f32>().unwrap()[11], 11.0);
    assert!(array.elements::<f64>().is_err() && array.elements::<i32>().is_err());
}

#[test]
fn arrays_come_back() {
    let data = Bytes::from(NumpyArray::write(&[1u8, 2, 3, 4, 5, 6], &[3, 1, 2]).unwrap());
    let array = NumpyArray::read(&data).unwrap();
    assert_eq!((array.shape(), array.byte_order()), (&[3, 1, 2][..], ByteOrder::None));
    assert_eq!(*array.elements::<u8>().unwrap(), [1, 2, 3, 4, 5, 6]);
    let data = Bytes::from(NumpyArray::write(&[] as &[f64], &[0, 5]).unwrap());
    assert_eq!(NumpyArray::read(&data).unwrap().shape(), [0, 5]);
    assert!(NumpyArray::write(&[1.0], &[2]).is_err());
}

#[test]
fn cut_off_or_changed_arrays_are_errors_or_arrays() {
    let whole = rays_array();
    for length in 0..240 {
        assert!(NumpyArray::read(&Bytes::copy_from_slice(&whole[..length])).is_err(), "{length}");
    }
    for at in 0..192 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            if let Ok(array) = NumpyArray::read(&changed.into()) {
                assert!(array.data().len() <= whole.len());
            }
        }
    }
}
