//! From nodes to [`Declared`](crate::declared::Declared): one reader for each concern, all findings in one run.

mod access;
mod audit;
mod example;
mod file;
mod grants;
mod identity;
mod include;
mod mapping;
mod mistake;
mod port;
mod probe;
mod reader;
mod route;
mod service;
mod settings;
mod substitution;
mod tls;
mod values;

pub(crate) use file::FileReader;
pub(crate) use include::Loading;
pub(crate) use mistake::{Mistake, did_you_mean, nearest};
pub(crate) use values::{anchored, duration, name, port_span, space, written};
#[cfg(test)]
pub(crate) use {reader::Reader, substitution::Substitutions};
