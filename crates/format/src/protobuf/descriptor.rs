//! Finds the message that a table names.

use super::{DESCRIPTOR_FILE, MESSAGE, SCHEMA_FILE};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::path::Path;
use tidemill_types::options::{near, quoted_or};
use tidemill_types::{Error, Options, Result};

/// The message of a table's options.
pub(super) fn message(options: &Options) -> Result<MessageDescriptor> {
    let pool = pool(options)?;
    let name = options.text(&MESSAGE).ok_or_else(|| {
        Error::user_hint("the format 'protobuf' needs the option 'message-class-name'", MESSAGE.help)
    })?;
    // Java writes `$` in front of a nested class.
    let wanted = name.replace('$', ".");
    let mut tail = Some(wanted.as_str());
    while let Some(text) = tail {
        let is_it = |message: &MessageDescriptor| {
            let full = message.full_name();
            full == text || full.strip_suffix(text).is_some_and(|before| before.ends_with('.'))
        };
        let found: Vec<_> = pool.all_messages().filter(is_it).collect();
        match found.as_slice() {
            [one] => return Ok(one.clone()),
            [] => tail = text.split_once('.').map(|(_, rest)| rest),
            several => {
                if let Some(exact) = several.iter().find(|message| message.full_name() == text) {
                    return Ok(exact.clone());
                }
                let names: Vec<&str> = several.iter().map(MessageDescriptor::full_name).collect();
                return Err(Error::user(format!("'{name}' may be the message {}", quoted_or(&names))));
            }
        }
    }
    let names: Vec<String> = pool.all_messages().map(|message| message.full_name().to_string()).collect();
    let hint = match near(name, names.iter().map(String::as_str)).as_slice() {
        [] => format!("its messages are: {}", names.join(", ")),
        near => format!("did you mean {}?", quoted_or(near)),
    };
    Err(Error::user_hint(format!("there is no message '{name}' in the definition"), hint))
}

fn pool(options: &Options) -> Result<DescriptorPool> {
    let refused = |path: &str, error: &dyn std::fmt::Display| {
        Error::user(format!("the definition of messages in '{path}' can't be read: {error}"))
    };
    match (options.text(&DESCRIPTOR_FILE), options.text(&SCHEMA_FILE)) {
        (Some(path), None) => {
            let bytes = std::fs::read(path).map_err(|error| refused(path, &error))?;
            DescriptorPool::decode(bytes.as_slice()).map_err(|error| refused(path, &error))
        }
        (None, Some(path)) => compile(path).map_err(|error| refused(path, &error)),
        (Some(_), Some(_)) => {
            Err(Error::user("only one of the options 'descriptor-file' and 'schema-file' can be given"))
        }
        (None, None) => Err(Error::user_hint(
            "the format 'protobuf' needs the definition of its message",
            "add 'protobuf.schema-file' = 'path/of/message.proto' (Flink takes it from a Java class on its class path)",
        )),
    }
}

fn compile(path: &str) -> std::result::Result<DescriptorPool, String> {
    let path = Path::new(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = path.file_name().ok_or("it is no file")?;
    let mut compiler = protox::Compiler::new([folder]).map_err(|error| error.to_string())?;
    compiler.open_file(file).map_err(|error| error.to_string())?;
    Ok(compiler.descriptor_pool())
}
