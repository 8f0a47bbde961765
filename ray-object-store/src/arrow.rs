//! Record batches of Arrow, written as a stream of its IPC format and read where they lie.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use ray_object_manager::plasma::client::Timeout;

use crate::error::{Result, StoreError};
use crate::metadata::Format;
use crate::reference::ObjectRef;
use crate::store::{expect, open, Store};

/// Batches of one schema.
pub type Batches = [RecordBatch];

impl Store {
    /// Puts batches, all of the first one's schema. Every implementation of Arrow can read the object's data.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow_array::{Int32Array, RecordBatch};
    /// use ray_object_store::{MemoryConfig, MemoryStore, Store};
    ///
    /// let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1, 2])) as _)])?;
    /// let store = Store::new(MemoryStore::new(MemoryConfig::default()));
    /// let object = store.put_arrow(&[batch.clone()])?;
    /// assert_eq!(object.batches()?, [batch]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::put`]; [`StoreError::Serialize`] if there is no batch, or one has another schema.
    pub fn put_arrow(&self, batches: &[RecordBatch]) -> Result<ObjectRef<Batches>> {
        let write = || {
            let first = batches.first().ok_or_else(|| "no batch, and so no schema".to_owned())?;
            let mut writer = StreamWriter::try_new(Vec::new(), &first.schema())
                .map_err(|error| error.to_string())?;
            for batch in batches {
                writer.write(batch).map_err(|error| error.to_string())?;
            }
            writer.into_inner().map_err(|error| error.to_string())
        };
        let data = write().map_err(StoreError::Serialize)?;
        self.put_plain(Format::ARROW, std::any::type_name::<Batches>(), &data)
    }
}

impl ObjectRef<Batches> {
    /// The batches, as soon as they are there. Their arrays lie in the object's memory, which stays as long as they do.
    ///
    /// # Errors
    /// As [`ObjectRef::get`].
    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        let object = self.raw(Timeout::Never)?;
        let (metadata, data) = open(&object, self.id(), Some(std::any::type_name::<Batches>()))?;
        expect(&metadata, Format::ARROW, "Arrow's batches")?;
        let mut rest = Buffer::from(data);
        let mut decoder = StreamDecoder::new();
        let mut batches = Vec::new();
        while let Some(batch) = decoder.decode(&mut rest).map_err(StoreError::malformed)? {
            batches.push(batch);
        }
        decoder.finish().map_err(StoreError::malformed)?;
        Ok(batches)
    }
}
