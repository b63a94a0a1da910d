//! Record batches, format version 2: walked where they lie, and written.
//!
//! Source of the layout: Kafka documentation, "Message Format". A batch has a header of 61 bytes, then records
//! of variable-length integers, key, value and headers, perhaps compressed as a whole. Invariant: no call and no
//! allocation per record; what is damaged is an error, never skipped.

pub(super) mod codec;
pub(super) mod reader;
pub(super) mod varint;
pub(super) mod writer;

/// The bytes in front of the records.
pub(super) const HEADER_BYTES: usize = 61;
/// The bytes in front of what the batch's length counts: its offset and the length itself.
pub(super) const LENGTH_ENDS_AT: usize = 12;
/// Where the checksum stands.
pub(super) const CRC_AT: usize = 17;
/// What the checksum covers starts here.
pub(super) const ATTRIBUTES_AT: usize = 21;
/// The only batch format that brokers from 0.11 on send to clients that ask for it.
pub(super) const MAGIC: u8 = 2;

/// The bits of a batch's attributes.
pub(super) mod attributes {
    /// The compression.
    pub(in super::super) const CODEC: i16 = 0b111;
    /// The timestamps are those of the append, not of the writer.
    pub(in super::super) const LOG_APPEND_TIME: i16 = 1 << 3;
    /// Part of a transaction.
    pub(in super::super) const TRANSACTIONAL: i16 = 1 << 4;
    /// Not data: the end of a transaction.
    pub(in super::super) const CONTROL: i16 = 1 << 5;
}
