//! The table of docs/guarantees.md says what each source promises with each sink. It is made from what connectors
//! declare when they are opened; the suites of `sources`, `file_sink`, `ingest_log`, `kills` and the tests against a
//! real Kafka broker hold them to it. `TIDEMILL_WRITE=1 cargo test -p tidemill-testkit --test guarantees` writes it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use tidemill_connector::{Guarantee, TableRequest};
use tidemill_testkit::simulation::connectors;
use tidemill_types::disk::SystemDisk;
use tidemill_types::{DataType, Field, Options, Schema, TypeKind};

const BEGIN: &str = "<!-- made by the test `guarantees` -->\n";
const END: &str = "<!-- end -->";

/// A table as a user would declare it, whether it is read, and whether it is written.
struct Table {
    name: &'static str,
    options: &'static [(&'static str, &'static str)],
    read: bool,
    written: bool,
}

const BROKER: (&str, &str) = ("properties.bootstrap.servers", "127.0.0.1:1");

const TABLES: &[Table] = &[
    Table {
        name: "filesystem",
        options: &[("connector", "filesystem"), ("path", "FOLDER"), ("format", "json")],
        read: true,
        written: true,
    },
    Table {
        name: "kafka",
        options: &[("connector", "kafka"), ("topic", "t"), BROKER, ("format", "json")],
        read: true,
        written: true,
    },
    Table {
        name: "kafka, `'sink.delivery-guarantee' = 'exactly-once'`",
        options: &[
            ("connector", "kafka"),
            ("topic", "t"),
            BROKER,
            ("format", "json"),
            ("sink.delivery-guarantee", "exactly-once"),
            ("sink.transactional-id-prefix", "p"),
        ],
        read: false,
        written: true,
    },
    Table { name: "datagen", options: &[("connector", "datagen")], read: true, written: false },
    Table { name: "nexmark", options: &[("connector", "nexmark")], read: true, written: false },
    Table {
        name: "socket",
        options: &[("connector", "socket"), ("hostname", "127.0.0.1"), ("port", "1"), ("format", "json")],
        read: true,
        written: false,
    },
    Table { name: "print", options: &[("connector", "print")], read: false, written: true },
];

/// What a run promises from end to end.
fn promise(replayable: bool, guarantee: Guarantee) -> &'static str {
    match (replayable, guarantee) {
        (true, Guarantee::ExactlyOnce) => "exactly once",
        (true, Guarantee::AtLeastOnce) => "at least once",
        (false, _) => "what is under way at a kill is lost",
    }
}

fn made() -> String {
    let folder = tempfile::tempdir().unwrap();
    let sources: Vec<_> = TABLES
        .iter()
        .filter(|table| table.read)
        .map(|table| (table.name, opened(table, folder.path()).0))
        .collect();
    let sinks: Vec<_> = TABLES
        .iter()
        .filter(|table| table.written)
        .map(|table| (table.name, opened(table, folder.path()).1))
        .collect();
    let mut out = String::from("| source ↓ sink → |");
    sinks.iter().for_each(|(name, _)| out.push_str(&format!(" {name} |")));
    out.push_str("\n|---|");
    sinks.iter().for_each(|_| out.push_str("---|"));
    for (source, replayable) in sources {
        out.push_str(&format!("\n| {source} |"));
        for (_, guarantee) in &sinks {
            let guarantee = guarantee.expect("a sink says what it promises");
            out.push_str(&format!(
                " {} |",
                promise(replayable.expect("a source says whether it replays"), guarantee)
            ));
        }
    }
    out.push('\n');
    out
}

/// Whether its source replays, and what its sink promises.
fn opened(table: &Table, folder: &Path) -> (Option<bool>, Option<Guarantee>) {
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = waiting.enter();
    let path = folder.display().to_string();
    let pairs = table
        .options
        .iter()
        .map(|&(key, value)| (key, if value == "FOLDER" { path.as_str() } else { value }));
    let (connector, options): (Vec<_>, Vec<_>) = pairs.partition(|(key, _)| *key == "connector");
    let options = Options::new(options);
    let field = match table.name {
        "nexmark" => Field::new("event_type", TypeKind::Int.nullable()),
        _ => Field::new("k", DataType::string()),
    };
    let schema = Schema::new(vec![field]);
    let request = TableRequest {
        table: "t",
        options: &options,
        schema: &schema,
        wanted: &[0],
        metadata: &[],
        partition_by: &[],
        primary_key: &[],
        overwrite: false,
        task: 0,
        parallelism: 1,
        zone: chrono_tz::UTC,
        run_id: "r",
        pipeline_id: "p",
        checkpointed: true,
        state_dir: Some(folder),
        disk: Arc::new(SystemDisk),
    };
    let registry = connectors();
    let connector = registry.find(connector[0].1).unwrap();
    let source = connector.source.filter(|_| table.read).map(|open| open(&request).unwrap().replayable);
    let sink = connector.sink.filter(|_| table.written).map(|open| open(&request).unwrap().guarantee);
    (source, sink)
}

#[test]
fn the_page_says_what_connectors_declare() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guarantees.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the page has a place for the table");
    let (_, tail) = rest.split_once(END).expect("the table has an end");
    let wanted = format!("{head}{BEGIN}{}{END}{tail}", made());
    if std::env::var_os("TIDEMILL_WRITE").is_some() {
        std::fs::write(&page, &wanted).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&page).unwrap(), wanted, "TIDEMILL_WRITE=1 writes the page anew");
}
