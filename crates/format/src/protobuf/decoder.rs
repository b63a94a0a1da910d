//! Blobs of messages to rows.

use super::descriptor::message;
use super::read::{Message, Target};
use super::wire::Raw;
use super::{IGNORE_ERRORS, READ_DEFAULTS};
use crate::json::Shape;
use crate::records::Records;
use crate::{DecodeRequest, Decoded, Decoder, Reject};
use tidemill_types::{Blob, Error, Framing, Result};

struct ProtobufDecoder {
    message: Message,
    shape: Shape,
    ignore_errors: bool,
}

/// Opens the decoder; all columns must be fields of the message, wanted or not.
pub(super) fn open(request: &DecodeRequest<'_>) -> Result<Box<dyn Decoder>> {
    if let Some((key, _)) = request.metadata.first() {
        return Err(Error::user(format!("the format 'protobuf' has no metadata column '{key}'")));
    }
    let descriptor = message(request.options)?;
    let read_defaults = request.options.boolean(&READ_DEFAULTS)?;
    let compile =
        |targets: &[Target<'_>]| Message::compile(&descriptor, targets, read_defaults).map_err(Error::user);
    let all = request.physical.fields.iter();
    compile(&all.map(|field| (field.name.as_str(), &field.data_type)).collect::<Vec<_>>())?;
    let wanted = request.wanted.iter().map(|&place| &request.physical.fields[place]);
    let wanted: Vec<Target<'_>> = wanted.map(|field| (field.name.as_str(), &field.data_type)).collect();
    Ok(Box::new(ProtobufDecoder {
        message: compile(&wanted)?,
        shape: Shape::new(wanted.iter().copied()),
        ignore_errors: request.options.boolean(&IGNORE_ERRORS)?,
    }))
}

impl Decoder for ProtobufDecoder {
    fn decode(&mut self, blob: &Blob) -> Result<Decoded> {
        self.read(blob, &mut |_| {})
    }

    fn decode_traced(&mut self, blob: &Blob, origins: &mut Vec<u32>) -> Option<Result<Decoded>> {
        Some(self.read(blob, &mut |number| origins.push(number)))
    }
}

impl ProtobufDecoder {
    fn read(&mut self, blob: &Blob, became_row: &mut impl FnMut(u32)) -> Result<Decoded> {
        if !matches!(blob.framing, Framing::Records(_)) {
            return Err(Error::user_hint(
                "records of the format 'protobuf' may hold any byte, so they can't be told apart by lines",
                "use a connector that keeps records apart, such as 'kafka'",
            ));
        }
        let mut decoded = Decoded::default();
        for (number, range) in (0u32..).zip(Records::of(blob)) {
            decoded.records += 1;
            let before = self.shape.rows();
            let whole = [Raw::Bytes(range.start, range.end)];
            match self.message.read(&blob.bytes, &whole, &mut self.shape) {
                Ok(()) => became_row(number),
                Err(reason) => {
                    self.shape.truncate(before);
                    match self.ignore_errors {
                        true => decoded.skipped += 1,
                        false => decoded.rejects.push(Reject { range, reason }),
                    }
                }
            }
        }
        decoded.rows = self.shape.rows();
        decoded.columns = self.shape.finish(&blob.bytes);
        Ok(decoded)
    }
}
