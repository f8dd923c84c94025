//! Many documents at once: the formats that `import` reads and `export` writes.

pub(crate) mod archive;
pub(crate) mod exporter;
pub(crate) mod files;
pub(crate) mod importer;
pub(crate) mod lines;
pub(crate) mod source;
pub(crate) mod table;

use clap::ValueEnum;

/// What an input can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line, as `isodb apply` takes them
    Ndjson,
    /// A table: a header row, and a document a row
    Csv,
    /// A directory: a document a file
    Dir,
    /// A tar archive: a document a file
    Tar,
}
