//! `portcullis schema`: the JSON Schema of the file, for editors.

use clap::Args;

use crate::{command_line::Format, output, verdict::Verdict};

/// Print the JSON Schema of the configuration file
///
/// Editors that speak YAML complete and check the file with it. For the YAML language server, save it and put
/// `# yaml-language-server: $schema=portcullis.schema.json` on the first line of the file.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The schema is JSON either way
    #[arg(long, value_enum, default_value_t = Format::Json, hide = true)]
    format: Format,
}

impl Schema {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        // Both mean the same; the option is there because every verb has it.
        let Self { format: Format::Json | Format::Text } = self;
        output::print_json(&portcullis_config::schema::schema())?;
        Ok(Verdict::Fine)
    }
}
