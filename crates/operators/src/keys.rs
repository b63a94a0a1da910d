//! The key columns of an operator, encoded and hashed once per chunk.

use arrow_array::ArrayRef;
use tidemill_types::key::{EncodedKeys, KeyEncoder, decode, hash};
use tidemill_types::{Chunk, DataType, Schema};

/// Key columns with the encoded keys of the chunk at hand.
#[derive(Debug)]
pub struct Keys {
    columns: Vec<usize>,
    types: Vec<DataType>,
    encoder: KeyEncoder,
    /// The keys of the last chunk.
    pub encoded: EncodedKeys,
    /// Their hashes.
    pub hashes: Vec<u64>,
}

impl Keys {
    /// These columns of the input are the key.
    pub fn new(columns: &[usize], input: &Schema) -> Self {
        let types: Vec<DataType> = columns.iter().map(|&i| input.fields[i].data_type.clone()).collect();
        Keys {
            columns: columns.to_vec(),
            encoder: KeyEncoder::new(types.iter().cloned()),
            types,
            encoded: EncodedKeys::default(),
            hashes: Vec::new(),
        }
    }

    /// The key columns by index.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Encodes and hashes the keys of a chunk.
    pub fn encode(&mut self, chunk: &Chunk) {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&i| chunk.columns[i].clone()).collect();
        self.encoder.encode(&columns, chunk.rows, &mut self.encoded);
        self.hashes.clear();
        self.hashes.extend(self.encoded.iter().map(hash));
    }

    /// The key columns of encoded keys.
    pub fn decode<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<ArrayRef> {
        decode(&self.types, keys)
    }
}
