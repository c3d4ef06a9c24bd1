//! The program's own log: to standard error, at the level of the configuration or of `RUST_LOG`.

use std::io::{self, IsTerminal};

use portcullis_config::declared::{LogLevel, Word};
use portcullis_control::LogLevels;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, reload, util::SubscriberInitExt,
};

use crate::{command_line::Format, output};

/// Starts the log; returns what sets its level from then on. `RUST_LOG` goes before any of them.
pub(crate) fn start(level: LogLevel, format: Format) -> LogLevels {
    let said = std::env::var("RUST_LOG").ok().filter(|said| !said.is_empty());
    let is_said = said.is_some();
    let filter = said.map_or_else(|| filter(level), EnvFilter::new);
    let (filter, handle) = reload::Layer::new(filter);
    // It fails only where a log was started before, and then that one serves.
    let _ = tracing_subscriber::registry().with(lines(format).with_filter(filter)).try_init();
    Box::new(move |level| {
        if !is_said {
            // It fails only once the log is gone.
            let _ = handle.reload(self::filter(level));
        }
    })
}

/// Our own words at that level; libraries only when they complain.
fn filter(level: LogLevel) -> EnvFilter {
    let level = level.word();
    match level {
        "error" => EnvFilter::new("error"),
        level => EnvFilter::new(format!("warn,portcullis={level}")),
    }
}

fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let colour = output::is_colourful(&io::stderr());
    match format {
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        Format::Text if io::stderr().is_terminal() => {
            fmt::layer().compact().with_target(false).with_ansi(colour).with_writer(io::stderr).boxed()
        }
        Format::Text => fmt::layer().with_target(false).with_ansi(false).with_writer(io::stderr).boxed(),
    }
}
